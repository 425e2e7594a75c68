from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.train.datasets.faults import DataError
from models.train.datasets.reading import Source, read_data
from models.train.sample_data import DrawOptions, write_coco, write_yolo

Content = dict[str, Any]


def _content(amount: int = 2) -> Content:
    """Pictures of 40 x 20 pixels, an object each, of categories 3 and 9."""
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 20} for i in range(amount)],
        "annotations": [
            {"id": 10 + i, "image_id": i, "category_id": (9, 3)[i % 2], "bbox": [10, 5, 20, 10], "iscrowd": 0}
            for i in range(amount)
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def _write(file: Path, images: Path, content: Content) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    images.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    for image in content["images"]:
        Image.new("RGB", (40, 20), "blue").save(images / image["file_name"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        _write(tmp_path / f"annotations/instances_{part}2017.json", tmp_path / f"{part}2017", _content())
    return tmp_path


def _changed(folder: Path, change: dict[str, Any], where: str, row: int = 0) -> None:
    content = _content()
    content[where][row].update(change)
    (folder / "annotations/instances_train2017.json").write_text(json.dumps(content))


def _refused(source: Source) -> str:
    with pytest.raises(DataError) as caught:
        read_data(source)
    return str(caught.value)


def test_categories_become_classes_by_their_ids(folder: Path) -> None:
    """Ids with gaps, in any order, become 0, 1, … and boxes left, top, right, bottom."""
    data = read_data(Source(folder))
    assert data.labels == ("cat", "dog")
    assert [one.class_ids.tolist() for one in data.train] == [[1], [0]]
    assert data.train[0].boxes.tolist() == [[10, 5, 30, 15]]
    assert len(data.val) == 2


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("annotations/instances_train.json", "images/train"),
        ("annotations/train.json", "train"),
        ("train.json", "images"),
        ("train/_annotations.coco.json", "train"),
        ("instances_train2017.json", "images/train2017"),
        ("train.json", "."),
    ],
)
def test_the_usual_places_are_found(tmp_path: Path, file: str, images: str) -> None:
    """A folder is enough wherever its tool has put file and pictures."""
    _write(tmp_path / file, tmp_path / images, _content(4))
    data = read_data(Source(tmp_path))
    assert len(data.train) + len(data.val) == 4


def test_a_file_with_its_folder_of_pictures(tmp_path: Path) -> None:
    """--data FILE --images FOLDER, wherever they lie."""
    _write(tmp_path / "one/labels.json", tmp_path / "two/photos", _content(4))
    assert len(read_data(Source(tmp_path / "one/labels.json", tmp_path / "two/photos")).train) == 3
    assert "there is no such file" in _refused(Source(tmp_path / "one/labels.json"))


def test_both_layouts_of_one_data_set_give_the_same(tmp_path: Path) -> None:
    """What is drawn is read alike, to the rounding of the labels' six digits."""
    for name, write in (("coco", write_coco), ("yolo", write_yolo)):
        write(tmp_path / name, DrawOptions(5, 2, 96))
    coco, yolo = read_data(Source(tmp_path / "coco")), read_data(Source(tmp_path / "yolo"))
    assert coco.labels == yolo.labels
    for one, other in zip([*coco.train, *coco.val], [*yolo.train, *yolo.val], strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        assert one.class_ids.tolist() == other.class_ids.tolist()


def test_crowds_are_left_out_and_boxes_clipped(folder: Path) -> None:
    """Both are told, neither is a fault."""
    content = _content()
    content["annotations"][0]["bbox"] = [30, 5, 20, 10]
    content["annotations"][1]["iscrowd"] = 1
    (folder / "annotations/instances_train2017.json").write_text(json.dumps(content))
    data = read_data(Source(folder))
    assert [one.boxes.tolist() for one in data.train] == [[[30, 5, 40, 15]], []]
    assert any("1 crowds are left out" in note for note in data.notes)
    assert any("1 boxes reach out of their picture" in note for note in data.notes)


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"image_id": 5}, "annotations", "annotation 10: image_id 5 is no image of the file"),
        ({"category_id": 1}, "annotations", "annotation 10: category_id 1 is no category"),
        ({"bbox": [1, 2, 3]}, "annotations", "annotation 10: bbox is [1, 2, 3]; it must be four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "annotations", "it must be four numbers"),
        ({"bbox": [10, 5, 0, 10]}, "annotations", "has no area"),
        ({"bbox": [50, 5, 9, 9]}, "annotations", "lies outside its picture of 40 x 20 pixels"),
        ({"id": 1}, "images", "image 1: two images have this id"),
        ({"width": 0}, "images", "both must be whole numbers above 0"),
        ({"width": 50}, "images", "image 0: 50 x 20 here, but"),
        ({"file_name": "gone.png"}, "images", "gone.png: there is no such file"),
        ({"file_name": None}, "images", "it needs an 'id' and a 'file_name'"),
        ({"id": 3}, "categories", "category 3 ('cat') is there twice"),
        ({"name": ""}, "categories", "needs a whole number 'id' and a 'name'"),
    ],
)
def test_a_wrong_record_is_told_by_its_id(folder: Path, change: dict[str, Any], where: str, said: str) -> None:
    """The message names the file, the record and what would be right."""
    _changed(folder, change, where)
    message = _refused(Source(folder))
    assert "instances_train2017.json" in message
    assert said in message


def test_boxes_from_before_exif_turned_the_picture_are_told(folder: Path) -> None:
    """Sizes that fit only the stored pixels would put every box somewhere else."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(folder / "train2017/0.png", exif=exif)
    assert "export them upright" in _refused(Source(folder))


def test_a_category_that_nothing_learns_is_told(folder: Path) -> None:
    """The val part's categories are matched by name."""
    content = _content()
    content["categories"][1]["name"] = "bird"
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(content))
    assert "'bird' is no category of instances_train2017.json" in _refused(Source(folder))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"images": [],\n "annotations"', "instances_train2017.json:2: it is no JSON"),
        ("[]", "a COCO file has a list of objects 'images'"),
        ('{"images": [1], "annotations": [], "categories": []}', "a list of objects 'images'"),
        ('{"images": [], "annotations": [], "categories": []}', "'categories' is empty"),
    ],
)
def test_what_is_no_coco_file_is_refused(folder: Path, text: str, said: str) -> None:
    """With the line, where the text itself is broken."""
    (folder / "annotations/instances_train2017.json").write_text(text)
    assert said in _refused(Source(folder))


def test_a_folder_of_neither_layout_is_refused(tmp_path: Path) -> None:
    """The message names what was looked for."""
    assert "data.yaml, annotations/instances_train*.json" in _refused(Source(tmp_path))
    assert "no such file or folder" in _refused(Source(tmp_path / "gone"))
    (tmp_path / "data.csv").touch()
    assert "not a .csv" in _refused(Source(tmp_path / "data.csv"))
