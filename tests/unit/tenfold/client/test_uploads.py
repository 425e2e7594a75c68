import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.client import UnusableImage, Upload
from tenfold.client.uploads import uploads_of


def pixels(upload: Upload) -> "np.ndarray[Any, Any]":
    return np.asarray(Image.open(io.BytesIO(upload.read())))


@pytest.fixture
def array() -> "np.ndarray[Any, Any]":
    return np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def test_arrays_and_images_keep_every_pixel(array: "np.ndarray[Any, Any]") -> None:
    """An array of RGB, an array of gray and a Pillow image arrive as they are, without loss."""
    rgb, gray, image = uploads_of([array, array[:, :, 0], Image.fromarray(array)])
    assert (pixels(rgb) == array).all()
    assert (pixels(gray) == array[:, :, 0]).all()
    assert (pixels(image) == array).all()


def test_a_view_that_is_not_contiguous_is_taken_too(array: "np.ndarray[Any, Any]") -> None:
    """An array whose channels were turned around, as OpenCV's need it, arrives as it reads."""
    (upload,) = uploads_of(array[:, :, ::-1])
    assert (pixels(upload) == array[:, :, ::-1]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "YCbCr", "F"])
def test_images_of_any_mode_can_be_sent(mode: str) -> None:
    """What PNG cannot hold is sent as RGB."""
    (upload,) = uploads_of(Image.new("RGB", (4, 3), "red").convert(mode))
    assert pixels(upload).shape[:2] == (3, 4)


def test_files_folders_and_bytes_stand_in_the_order_given(tmp_path: Path) -> None:
    """A folder gives the pictures in it and below by name; open files and bytes go as they are."""
    (tmp_path / "in").mkdir()
    for name in ("b.png", "a.JPG", "in/c.webp", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    opened = io.BytesIO(b"opened")
    uploads = uploads_of([tmp_path, str(tmp_path / "notes.txt"), b"bytes", opened, Upload("mine", b"x")])
    assert [one.name for one in uploads] == ["a.JPG", "b.png", "in/c.webp", "notes.txt", "image", "image", "mine"]
    assert [one.read() for one in uploads[3:6]] == [b"notes.txt", b"bytes", b"opened"]


def test_patterns_are_understood_and_images_keep_their_files_names(tmp_path: Path) -> None:
    """A pattern gives what matches it by name, and a Pillow image is called as the file that it was read from."""
    for name in ("b.png", "a.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    with Image.open(tmp_path / "b.png") as image:
        uploads = uploads_of([str(tmp_path / "*.png"), image])
    assert [one.name for one in uploads] == ["a.png", "b.png", "b.png"]


def test_a_tensor_is_told_how_to_be_sent() -> None:
    """Whether its channels come first or last only its owner knows."""

    class Tensor:
        shape = (3, 4, 5)

        def permute(self) -> None: ...

    with pytest.raises(UnusableImage, match=r"\(3, 4, 5\).*permute\(1, 2, 0\)"):
        uploads_of(Tensor())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.jpg", "no file, folder or pattern"),
        ("~/no-such-picture.jpg", str(Path.home())),
        ("https://example.org/a.jpg", "is an address"),
        ([], "no images"),
        (7, "int is no path"),
        (io.StringIO("text"), "'rb'"),
        (np.zeros((4, 4, 3)), "uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "in a list"),
    ],
)
def test_what_is_no_image_is_named(given: object, said: str) -> None:
    """What cannot be sent is refused before anything is, with what would be right."""
    with pytest.raises(UnusableImage, match=said):
        uploads_of(given)


def test_a_folder_without_pictures_says_what_it_looked_for(tmp_path: Path) -> None:
    """An empty folder is an error that names the endings."""
    with pytest.raises(UnusableImage, match=".webp"):
        uploads_of(tmp_path)


def test_a_file_that_shrinks_while_it_is_sent_is_named(tmp_path: Path) -> None:
    """The body's length was announced: a file that became shorter is an error that names it."""
    path = tmp_path / "a.png"
    path.write_bytes(b"0123456789")
    body = Upload.of(path).body()
    path.write_bytes(b"01")
    assert body.read(2) == b"01"
    with pytest.raises(UnusableImage, match="a.png became shorter"):
        body.read(4)
