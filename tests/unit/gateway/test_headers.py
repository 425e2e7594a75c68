import contextlib
import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.crud.headers import Header, check_pixels, read_header
from tenfold.contract.errors import InvalidImage, RequestError, UnsupportedMedia

MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
}


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (37, 21), **options: Any) -> bytes:
    out = BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_agrees_with_pillow_on_every_format_and_mode(kind: str, mode: str) -> None:
    """Format and size are what Pillow reads of its own encodings."""
    assert read_header(encoded(kind, mode), complete=True) == Header(kind.lower(), 37, 21)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + b"\xff\xc0" * 20_000}),
        ("JPEG", {"comment": b"\xff\xda" * 100}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + bytes(100)}),
        ("PNG", {"interlace": True}),
    ],
)
def test_is_not_misled_by_what_stands_before_the_size(kind: str, options: dict[str, Any]) -> None:
    """Metadata that looks like markers, and other variants of a format, do not hide the size."""
    assert read_header(encoded(kind, **options), complete=True) == Header(kind.lower(), 37, 21)


def test_a_bitmap_with_rows_from_the_top_has_a_positive_height() -> None:
    """A negative height in a bitmap tells the order of rows."""
    data = bytearray(encoded("BMP"))
    data[22:26] = struct.pack("<i", -21)
    assert read_header(bytes(data), complete=True) == Header("bmp", 37, 21)


def test_an_os2_bitmap_is_read_by_its_shorter_header() -> None:
    """The oldest bitmap header has its size in two bytes each."""
    data = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 37, 21, 1, 24)
    assert read_header(data, complete=True) == Header("bmp", 37, 21)


@pytest.mark.parametrize("kind", list(MODES))
def test_every_beginning_asks_for_more_or_knows(kind: str) -> None:
    """Whatever part of a file has come, the answer is "more" or the true header, never a refusal."""
    data = encoded(kind)
    answers = {read_header(data[:length], complete=False) for length in range(len(data))}
    assert answers == {None, Header(kind.lower(), 37, 21)}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_ends_in_its_header_is_truncated(kind: str) -> None:
    """With nothing more to come, an unfinished header is an error of the image."""
    with pytest.raises(InvalidImage) as caught:
        read_header(encoded(kind)[:19], complete=True)
    assert caught.value.code == "truncated_image"


def test_an_empty_file_is_told_apart() -> None:
    """No bytes at all have a code of their own."""
    with pytest.raises(InvalidImage) as caught:
        read_header(b"", complete=True)
    assert caught.value.code == "empty_image"


@pytest.mark.parametrize(
    "data", [b"hello, I am no image", b"GIF89a" + bytes(40), b"%PDF-1.7" + bytes(40), b"BM" + bytes(40)]
)
def test_other_content_is_unsupported(data: bytes) -> None:
    """What is of no known format is refused by its content."""
    with pytest.raises(UnsupportedMedia) as caught:
        read_header(data, complete=False)
    assert caught.value.code == "unsupported_image_format"


def test_a_size_of_nothing_is_invalid() -> None:
    """A header of zero pixels is no image."""
    data = bytearray(encoded("PNG"))
    data[16:20] = bytes(4)
    with pytest.raises(InvalidImage):
        read_header(bytes(data), complete=True)


def test_a_jpeg_whose_data_begin_without_a_frame_is_invalid() -> None:
    """Scan data before any frame header cannot be decoded by anyone."""
    with pytest.raises(InvalidImage):
        read_header(b"\xff\xd8\xff\xda" + bytes(40), complete=False)


def test_pixels_are_bounded_and_the_bound_is_allowed() -> None:
    """The limit itself is fine; one more row is not, and the error names both figures."""
    assert check_pixels(Header("png", 100, 10), 1000) is None
    error = check_pixels(Header("png", 100, 11), 1000)
    assert error is not None
    assert error.code == "too_many_pixels"
    assert "1100" in str(error)
    assert "1000" in str(error)


@given(st.sampled_from(list(MODES)), st.integers(0, 400), st.binary(max_size=40), st.booleans())
def test_mutated_headers_never_end_in_anything_but_an_answer(kind: str, at: int, patch: bytes, complete: bool) -> None:
    """Whatever the bytes, the outcome is a header, "more", or a refusal that names its reason."""
    data = bytearray(encoded(kind))
    data[at : at + len(patch)] = patch
    with contextlib.suppress(RequestError):
        header = read_header(bytes(data), complete=complete)
        assert header is None or header.pixels > 0
