from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.train.datasets.faults import DataError
from models.train.datasets.reading import Source, read_data
from models.train.datasets.yolo_labels import parse_line
from models.train.datasets.yolo_layout import label_path
from models.train.sample_data import LABELS, DrawOptions, write_yolo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of 40 x 20 pixels, two to learn from and two to measure on, one object each."""
    for part in ("train", "val"):
        for name in ("a", "b"):
            _picture(tmp_path / "images" / part / f"{name}.png")
            _labels(tmp_path / "labels" / part / f"{name}.txt", "1 0.5 0.5 0.5 0.5\n")
    _describe(tmp_path, "train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return tmp_path


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), "red").save(path)


def _labels(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _describe(folder: Path, text: str) -> None:
    (folder / "data.yaml").write_text(text)


def _refused(data: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_data(Source(data))
    return str(caught.value)


def test_boxes_come_in_pixels_with_their_classes(folder: Path) -> None:
    """Shares of the picture become pixels; names are the labels; each part has its pictures."""
    data = read_data(Source(folder))
    assert data.labels == ("cat", "dog")
    assert [len(data.train), len(data.val)] == [2, 2]
    assert data.train[0].boxes.tolist() == [[10, 5, 30, 15]]
    assert data.train[0].class_ids.tolist() == [1]


def test_the_file_and_its_folder_are_the_same_data(folder: Path) -> None:
    """--data may name either."""
    assert read_data(Source(folder / "data.yaml")).digest() == read_data(Source(folder)).digest()


def test_names_may_be_a_mapping_and_parts_lists_of_files(folder: Path) -> None:
    """The other spellings of the same description give the same data."""
    (folder / "chosen.txt").write_text("./images/train/a.png\nimages/train/b.png\n\n")
    before = read_data(Source(folder)).digest()
    _describe(folder, f"path: {folder}\ntrain: [chosen.txt]\nval: images/val\nnames: {{0: cat, 1: dog}}\nnc: 2\n")
    assert read_data(Source(folder)).digest() == before


def test_a_path_that_is_no_longer_there_gives_way_to_the_files_own_folder(folder: Path) -> None:
    """Data sets are moved about; one whose own folder has everything is found."""
    _describe(folder, "path: ../elsewhere\ntrain: ../images/train\nval: images/val\nnames: [cat, dog]\n")
    assert len(read_data(Source(folder)).train) == 2


def test_a_segment_becomes_the_box_around_it(folder: Path) -> None:
    """Points of an outline are taken by their extremes."""
    _labels(folder / "labels/train/a.txt", "0 0.25 0.5 0.75 0.2 0.5 0.9\n")
    (box,) = read_data(Source(folder)).train[0].boxes
    np.testing.assert_allclose(box, [10, 4, 30, 18], atol=1e-4)


def test_a_picture_without_labels_is_background(folder: Path) -> None:
    """A missing and an empty file both say that nothing is there, and the missing one is told."""
    (folder / "labels/train/a.txt").unlink()
    _labels(folder / "labels/val/a.txt", "\n")
    data = read_data(Source(folder))
    assert [len(data.train[0].boxes), len(data.val[0].boxes)] == [0, 0]
    assert any("1 of 2 pictures of images/train have no label file" in note for note in data.notes)


def test_labels_belong_to_the_picture_as_exif_turns_it(folder: Path) -> None:
    """A photograph that lies on its side is read upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(folder / "images/train/a.jpg", exif=exif)
    _labels(folder / "labels/train/a.txt", "0 0.5 0.5 1 0.5\n")
    (folder / "images/train/a.png").unlink()
    first = read_data(Source(folder)).train[0]
    assert (first.width, first.height) == (20, 40)
    assert first.boxes.tolist() == [[0, 10, 20, 30]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.5 0.5", "class 2 is not among the names, which are numbered 0 to 1"),
        ("-1 0.5 0.5 0.5 0.5", "class -1 is not among"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5 is no whole number"),
        ("0 0.5 0.5 0.5", "4 numbers; a line is 'class x y width height'"),
        ("0 0.5 0.5 0.5 0.5 0.9", "6 numbers; a line is"),
        ("0 20 10 20 10", "20 is not within 0 and 1"),
        ("0 0.5 0.5 0 0.5", "width and height must be more than 0"),
        ("cat 0.5 0.5 0.5 0.5", "'cat' is no number"),
        ("0 nan 0.5 0.5 0.5", "nan is no finite number"),
        ("0 0.5 0.2 0.7 0.2 0.9 0.2", "no area"),
    ],
)
def test_a_malformed_line_is_told_with_file_and_line(folder: Path, line: str, said: str) -> None:
    """What is wrong and what would be right stands behind the place."""
    _labels(folder / "labels/train/a.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    message = _refused(folder)
    assert f"{folder / 'labels/train/a.txt'}:2: " in message
    assert said in message


def test_many_faults_are_counted_and_the_first_are_told(folder: Path) -> None:
    """A mistake that repeats itself does not fill the screen."""
    _labels(folder / "labels/train/a.txt", "7 0.5 0.5 0.5 0.5\n" * 50)
    message = _refused(folder)
    assert message.startswith("50 faults, of which the first 20 are:")
    assert len(message.splitlines()) == 21


def test_faults_can_be_left_out(folder: Path) -> None:
    """With skip_faults what is right is read, and what was left out is told."""
    _labels(folder / "labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.5 0.5\n")
    data = read_data(Source(folder, skip_faults=True))
    assert data.train[0].class_ids.tolist() == [0]
    assert any("left out: 1 fault" in note for note in data.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: images/train\nnames: [a, b]\nnc: 3\n", "data.yaml:3: nc is 3, but names has 2"),
        ("train: images/train\nnames: {0: a, 2: b}\n", "data.yaml:2: names must be numbered 0 to 1 without a gap"),
        ("train: images/train\nnames: [a, a]\n", "each class needs a name of its own"),
        ("train: images/train\n", "names must be a list of the classes"),
        ("names: [a, b]\n", "it has no 'train'"),
        ("train: images/other\nnames: [a, b]\n", "there is no 'images/other'"),
        ("train: [images/train\n", "it is no YAML"),
        ("- a\n", "it must be a mapping"),
    ],
)
def test_a_description_that_is_wrong_is_refused(folder: Path, text: str, said: str) -> None:
    """The message names the file, the line where there is one, and what would be right."""
    _describe(folder, text)
    assert said in _refused(folder)


def test_a_description_runs_nothing(folder: Path) -> None:
    """YAML's tags for objects are refused."""
    _describe(folder, "train: !!python/object/apply:os.system ['true']\nnames: [a, b]\n")
    assert "it is no YAML" in _refused(folder)


def test_labels_that_lie_nowhere_are_told(folder: Path) -> None:
    """Pictures that all lack labels are a wrong folder, not backgrounds; the path that was looked for is named."""
    for path in (folder / "labels/train").iterdir():
        path.unlink()
    assert str(folder / "labels/train/a.txt") in _refused(folder)


def test_what_is_no_picture_is_told(folder: Path) -> None:
    """A text under a picture's name is a fault by its name; a picture cut short is found where all is decoded."""
    (folder / "images/train/a.png").write_text("hello")
    assert "a.png: it is no JPEG, PNG, WebP or BMP picture" in _refused(folder)
    whole = io.BytesIO()
    Image.effect_noise((400, 200), 90).convert("RGB").save(whole, "JPEG")
    (folder / "images/train/a.png").write_bytes(whole.getvalue()[:-5000])
    read_data(Source(folder))
    with pytest.raises(DataError, match=r"a\.png: the picture cannot be read"):
        read_data(Source(folder), decode_all=True)


def test_without_a_val_part_a_seeded_share_is_held_out(tmp_path: Path) -> None:
    """The same seed holds out the same pictures, which are then not learnt from; another seed others."""
    write_yolo(tmp_path, DrawOptions(20, 1, 64))
    _describe(tmp_path, f"train: images/train\nnames: {list(LABELS)}\n")
    first, again, other = (read_data(Source(tmp_path, val_share=0.25, seed=seed)) for seed in (1, 1, 2))
    names = {picture.path.name for picture in first.val}
    assert len(names) == 5
    assert names.isdisjoint(picture.path.name for picture in first.train)
    assert len(first.train) == 15
    assert first.digest() == again.digest() != other.digest()
    assert any("5 of 20 were drawn and held out" in note for note in first.notes)


def test_measuring_on_what_was_learnt_is_told(folder: Path) -> None:
    """The same folder as both parts is allowed, with a note."""
    _describe(folder, "train: images/train\nval: images/train\nnames: [cat, dog]\n")
    assert any("both learnt from and measured on" in note for note in read_data(Source(folder)).notes)


def test_data_without_an_object_are_refused(folder: Path) -> None:
    """Backgrounds alone teach nothing."""
    for path in (folder / "labels/train").iterdir():
        path.write_text("")
    assert "there is nothing to learn" in _refused(folder)


def test_the_label_path_replaces_the_last_images() -> None:
    """Only the folder nearest to the file counts; without one the labels lie beside."""
    assert label_path(Path("/images/x/images/a.b.jpg")) == Path("/images/x/labels/a.b.txt")
    assert label_path(Path("/photos/a.jpg")) == Path("/photos/a.txt")


def test_rounding_beyond_the_edge_is_clipped() -> None:
    """A box that honest rounding puts a little outside stays, cut to the picture."""
    assert parse_line("0 0.25 0.5 0.503 1.0", 1)[1] == pytest.approx((0.0, 0.0, 0.5015, 1.0))
