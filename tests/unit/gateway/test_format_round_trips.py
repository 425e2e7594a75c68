"""What is written for other tools, read back by the tools themselves."""

import asyncio
import csv
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gateway.crud.formats import write_coco, write_csv, write_ndjson, write_yolo
from gateway.crud.results import ImageBody
from tenfold.client import ImageResult
from tenfold.contract.records import Detection, ItemError

LABELS = ["circle", "square", "star"]
Writer = Callable[[AsyncIterator[ImageBody]], AsyncIterator[bytes]]


def written(images: list[ImageBody], writer: Writer) -> bytes:
    async def each() -> AsyncIterator[ImageBody]:
        for image in images:
            yield image

    async def run() -> bytes:
        return b"".join([piece async for piece in writer(each())])

    return asyncio.run(run())


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    x1, y1 = draw(st.integers(0, 600)), draw(st.integers(0, 400))
    x2, y2 = x1 + draw(st.integers(1, 39)), y1 + draw(st.integers(1, 79))
    class_id = draw(st.integers(0, len(LABELS) - 1))
    score = draw(st.integers(1, 1000)) / 1000
    return Detection((x1 + 0.25, y1 + 0.5, x2 + 0.25, y2 + 0.5), score, class_id, LABELS[class_id])


# Names that a reader of tables may take for something else: numbers, gaps, dates, truth, formulas, more fields or rows.
ODD = ["007", "1e5", "NA", "nan", "null", "None", "", " ", "true", "2020-01-01", " a ", "ünï.jpg", "😀"]
ODD += ["=1+1", "'=1", "''-1", "@a", "\t=1", "\r=1", "a,b", 'a"b', "a\nb", "a\r\nb", "a\rb"]
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.sampled_from(ODD)


@st.composite
def results(draw: st.DrawFn) -> list[ImageBody]:
    images = []
    for index in range(draw(st.integers(0, 6))):
        name = draw(names)
        if draw(st.integers(0, 4)) == 0:
            error = ItemError("truncated_image", "the file ends early")
            images.append(ImageBody(index, name, None, None, error, 1, None, None, None))
        else:
            found = draw(st.lists(detections(), max_size=5))
            images.append(ImageBody(index, name, 640, 480, None, 1, found, None, None))
    return images


def coco_of(images: list[ImageBody], folder: Path) -> COCO:
    path = folder / "found.json"
    path.write_bytes(written(images, lambda each: write_coco(each, LABELS)))
    return COCO(str(path))


@settings(max_examples=25, deadline=None)
@given(images=results())
def test_pycocotools_reads_every_box(images: list[ImageBody], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each detection is found under its image and class, corner and size giving back its edges."""
    coco = coco_of(images, tmp_path_factory.mktemp("coco"))
    assert {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())} == dict(enumerate(LABELS))
    for image in images:
        if image.detections is None:
            assert image.index not in coco.imgs
            continue
        assert coco.loadImgs(image.index)[0]["file_name"] == image.name
        back = [
            (note["category_id"], note["score"], *note["bbox"]) for note in coco.loadAnns(coco.getAnnIds(image.index))
        ]
        told = [
            (one.class_id, one.score, one.box[0], one.box[1], one.box[2] - one.box[0], one.box[3] - one.box[1])
            for one in image.detections
        ]
        assert np.allclose(sorted(back), sorted(told))


def test_pycocotools_scores_a_model_against_itself(tmp_path: Path) -> None:
    """Taken as truth and as results, the same file has an average precision of one in every class."""
    boxes = [Detection((10.0 + 60 * i, 20.0, 60.0 + 60 * i, 90.0), 0.9 - i / 10, i, LABELS[i]) for i in range(3)]
    images = [ImageBody(index, f"{index}.jpg", 640, 480, None, 1, boxes, None, None) for index in range(4)]
    coco = coco_of(images, tmp_path)
    scoring = COCOeval(coco, coco.loadRes(coco.dataset["annotations"]), "bbox")
    scoring.evaluate()
    scoring.accumulate()
    scoring.summarize()
    assert scoring.stats[0] == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(images=results())
def test_yolo_labels_give_back_the_edges(images: list[ImageBody]) -> None:
    """Middle and size, times the image's own, are the box; every image that has a result has a file of its own."""
    with zipfile.ZipFile(io.BytesIO(written(images, lambda each: write_yolo(each, LABELS)))) as archive:
        files = [name for name in archive.namelist() if name.startswith("labels/")]
        told = [image for image in images if image.detections is not None]
        assert len(set(files)) == len(told)
        assert archive.read("classes.txt").decode().split() == LABELS
        for name, image in zip(files, told, strict=True):
            rows = np.array([line.split() for line in archive.read(name).decode().splitlines()], float).reshape(-1, 6)
            middle, size = rows[:, 1:3] * (640, 480), rows[:, 3:5] * (640, 480)
            boxes = np.array([one.box for one in image.detections or []]).reshape(-1, 4)
            assert np.allclose(np.hstack([middle - size / 2, middle + size / 2]), boxes, atol=0.01)
            assert rows[:, 0].tolist() == [one.class_id for one in image.detections or []]


@settings(max_examples=25, deadline=None)
@given(images=results())
def test_csv_gives_back_every_number(images: list[ImageBody]) -> None:
    """Python's csv module reads the rows back, whatever stands in a name, and floats to the last digit."""
    text = written(images, write_csv).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    told = [
        (image.index, one.box, one.score, one.class_id, one.label) for image in images for one in image.detections or []
    ]
    back = [
        (
            int(row["index"]),
            (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"])),
            float(row["score"]),
            int(row["class_id"]),
            row["label"],
        )
        for row in rows
        if row["x1"]
    ]
    assert back == told
    assert {int(row["index"]) for row in rows} == {image.index for image in images}
    names = {int(row["index"]): re.sub(r"^'(?='*[=+\-@\t\r])", "", row["name"]) for row in rows}
    assert names == {image.index: image.name for image in images}


@settings(max_examples=25, deadline=None)
@given(images=results())
def test_ndjson_lines_are_the_clients_own_results(images: list[ImageBody]) -> None:
    """Each line is one image's result, as the client reads it."""
    lines = written(images, write_ndjson).split(b"\n")[:-1]
    back = [msgspec.json.decode(line, type=ImageResult) for line in lines]
    assert [(one.index, one.name, one.detections, one.error) for one in back] == [
        (one.index, one.name, one.detections, one.error) for one in images
    ]
    assert all(json.loads(line) for line in lines)


def as_the_docs_do(table: bytes, lines: bytes) -> tuple[Any, Any]:
    """What the page's own lines make of a CSV and an NDJSON."""
    text = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    client, job = SimpleNamespace(results_as=lambda *_: lines), SimpleNamespace(id="")
    known = {"table": table.decode(), "client": client, "job": job}
    exec(next(block for block in blocks if "import pandas" in block), known)
    return known["boxes"], known["images"]


@settings(max_examples=40, deadline=None)
@given(images=results().filter(bool))
def test_pandas_gives_back_every_value(images: list[ImageBody]) -> None:
    """Read as the docs say: names, labels and errors as they were, numbers equal, gaps where there is nothing."""
    boxes, told = as_the_docs_do(written(images, write_csv), written(images, write_ndjson))
    assert told["name"].tolist() == [image.name for image in images]
    assert told["index"].tolist() == [image.index for image in images]
    by_image = dict(list(boxes.groupby("index", sort=False)))
    assert list(by_image) == [image.index for image in images]
    for image, listed in zip(images, told["detections"], strict=True):
        rows = by_image[image.index]
        assert set(rows["name"]) == {image.name}
        assert set(rows["error"]) == {image.error.code if image.error else ""}
        if image.error:
            assert rows[["width", "height"]].isna().all(axis=None)
        else:
            assert set(rows["width"]) | set(rows["height"]) == {image.width, image.height}
        back = rows.dropna(subset=["x1"])[["x1", "y1", "x2", "y2", "score", "class_id", "label"]].values.tolist()
        found = image.detections or []
        assert back == [[*one.box, one.score, one.class_id, one.label] for one in found]
        if image.detections is None:
            assert not isinstance(listed, list)
        else:
            assert msgspec.convert(listed, list[Detection]) == found
