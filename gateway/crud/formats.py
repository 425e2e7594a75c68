"""Results as other tools read them: COCO, YOLO labels and CSV, each written while the results are read.

COCO: the object detection format of cocodataset.org (``images``, ``annotations`` with ``bbox`` as x, y, width, height
in pixels, ``categories``), with a ``score`` in each annotation. YOLO: one text file an image, a line ``class x y width
height score`` a detection, x, y the box's middle, all four relative to the image. CSV: a row a detection.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from gateway.crud.results import ImageBody
from gateway.crud.zip_sending import Outbox, safe_stem
from tenfold.contract.records import Detection

CSV_COLUMNS: Final = ("index", "name", "width", "height", "error", "x1", "y1", "x2", "y2", "score", "class_id", "label")

# Quotes before it as well, so that a name that begins with one is not mistaken for a quoted one.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")

_encode = msgspec.json.Encoder().encode


async def write_ndjson(images: AsyncIterator[ImageBody]) -> AsyncIterator[bytes]:
    """One JSON object an image, one a line."""
    async for image in images:
        yield _encode(image) + b"\n"


async def write_csv(images: AsyncIterator[ImageBody]) -> AsyncIterator[bytes]:
    """A row a detection; an image without any has one row without a box, and one that failed names its error."""
    yield _csv_rows([CSV_COLUMNS])
    async for image in images:
        head = [image.index, _harmless(image.name), image.width, image.height, image.error.code if image.error else ""]
        boxes = [
            [*head, *found.box, found.score, found.class_id, _harmless(found.label)] for found in image.detections or []
        ]
        yield _csv_rows(boxes or [[*head, *[""] * (len(CSV_COLUMNS) - len(head))]])


async def write_coco(images: AsyncIterator[ImageBody], labels: Sequence[str]) -> AsyncIterator[bytes]:
    """One COCO object. An image's id is its index, a category's its class id; images that failed are not in it."""
    known = dict(enumerate(labels))
    listed: list[dict[str, Any]] = []
    number = 0
    yield b'{"annotations":['
    async for image in images:
        if image.detections is None:
            continue
        listed.append({"id": image.index, "file_name": image.name, "width": image.width, "height": image.height})
        for found in image.detections:
            known.setdefault(found.class_id, found.label)
            number += 1
            yield (b"," if number > 1 else b"") + _encode(_coco_annotation(number, image.index, found))
    categories = [{"id": class_id, "name": label} for class_id, label in sorted(known.items())]
    yield b'],"images":' + _encode(listed) + b',"categories":' + _encode(categories) + b"}"


async def write_yolo(images: AsyncIterator[ImageBody], labels: Sequence[str]) -> AsyncIterator[bytes]:
    """A zip of ``labels/NAME.txt`` an image that has a result, empty where nothing was found, and ``classes.txt``."""
    outbox = Outbox()
    known = dict(enumerate(labels))
    taken: set[str] = set()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED) as archive:
        async for image in images:
            if image.detections is None or not image.width or not image.height:
                continue
            known.update({found.class_id: found.label for found in image.detections})
            lines = [_yolo_line(found, image.width, image.height) for found in image.detections]
            archive.writestr(f"labels/{_stem(image, taken)}.txt", "".join(lines))
            for piece in outbox.pieces():
                yield piece
        names = (known.get(class_id, "") for class_id in range(max(known, default=-1) + 1))
        archive.writestr("classes.txt", "".join(f"{name}\n" for name in names))
    for piece in outbox.pieces():
        yield piece


def _coco_annotation(number: int, image_id: int, found: Detection) -> dict[str, Any]:
    x1, y1, x2, y2 = found.box
    width, height = x2 - x1, y2 - y1
    return {
        "id": number,
        "image_id": image_id,
        "category_id": found.class_id,
        "bbox": [x1, y1, width, height],
        "area": width * height,
        "iscrowd": 0,
        "score": found.score,
    }


def _yolo_line(found: Detection, width: int, height: int) -> str:
    x1, y1, x2, y2 = found.box
    relative = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height, found.score)
    return f"{found.class_id} {' '.join(f'{value:.6g}' for value in relative)}\n"


def _stem(image: ImageBody, taken: set[str]) -> str:
    """A file name from the image's own, without any path, different from all before: in more than its capitals."""
    stem = safe_stem(image.name)
    while not stem or stem.casefold() in taken:
        stem = f"{stem or 'image'}-{image.index}"
    taken.add(stem.casefold())
    return stem


def _csv_rows(rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula; one quote off whatever looks so gives back the text."""
    return f"'{text}" if _FORMULA.match(text) else text
