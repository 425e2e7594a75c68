"""COCO's layout: a JSON file a part, with ``images``, ``annotations`` and ``categories``, and folders of pictures.

Looked for are ``annotations/instances_train*.json`` with ``instances_val*.json``, ``train*.json`` with ``val*.json``,
and ``train/_annotations.coco.json`` with ``valid/`` or ``val/``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.train.datasets.faults import DataError, Faults
from models.train.datasets.pixels import header_of
from models.train.datasets.records import Parts, Picture, picture_of

TRAIN_FILES = (
    "annotations/instances_train*.json",
    "annotations/train*.json",
    "instances_train*.json",
    "train*.json",
    "train/_annotations.coco.json",
)
VAL_FILES = (
    "annotations/instances_val*.json",
    "annotations/val*.json",
    "instances_val*.json",
    "val*.json",
    "valid/_annotations.coco.json",
    "val/_annotations.coco.json",
)

Row = tuple[int, tuple[float, ...]]


@dataclass
class _Reading:
    """One file's reading: the faults of all, and what is only worth a note."""

    file: Path
    faults: Faults
    skipped: Counter[str] = field(default_factory=Counter)

    def fault(self, record: str, text: str) -> None:
        self.faults.add(f"{self.file}: {record}", text)

    def notes(self) -> list[str]:
        return [f"{count} {what} in {self.file.name}" for what, count in self.skipped.items()]


def find_part(folder: Path, patterns: tuple[str, ...]) -> Path | None:
    """The JSON file of a part in ``folder``, if there is one."""
    return next((found[0] for pattern in patterns if (found := sorted(folder.glob(pattern)))), None)


def read_coco(train: Path, val: Path | None, root: Path, images: Path | None, faults: Faults) -> Parts:
    """Reads both parts. ``root`` is where folders of pictures are looked for, ``images`` the folder, where it is known.

    The classes are the train part's categories by their ids; the val part's are matched to them by name. Raises
    DataError where a file is no COCO file; the rest goes to ``faults``.
    """
    reading = _Reading(train, faults)
    content = _loaded(train)
    categories = _categories(content, train)
    labels = tuple(categories[number] for number in sorted(categories))
    places = {label: place for place, label in enumerate(labels)}
    learnt = _pictures(reading, content, {key: places[name] for key, name in categories.items()}, root, images)
    if val is None:
        return Parts(labels, learnt, None, reading.notes())
    measuring = _Reading(val, faults)
    content = _loaded(val)
    kinds = {}
    for number, name in _categories(content, val).items():
        if name in places:
            kinds[number] = places[name]
        else:
            measuring.fault(f"category {number}", f"{name!r} is no category of {train.name}, so nothing learns it")
    measured = _pictures(measuring, content, kinds, root, images)
    return Parts(labels, learnt, measured, reading.notes() + measuring.notes())


def _loaded(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: it is no JSON: {error.msg}") from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: it cannot be read: {error}") from error
    for key in ("images", "annotations", "categories"):
        rows = content.get(key) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{file}: a COCO file has a list of objects {key!r}")
    return dict(content)


def _categories(content: dict[str, Any], file: Path) -> dict[int, str]:
    categories: dict[int, str] = {}
    for row in content["categories"]:
        number, name = row.get("id"), row.get("name")
        if type(number) is not int or not isinstance(name, str) or not name.strip():
            raise DataError(f"{file}: category {row!r} needs a whole number 'id' and a 'name'")
        if number in categories or name.strip() in categories.values():
            raise DataError(f"{file}: category {number} ({name!r}) is there twice")
        categories[number] = name.strip()
    if not categories:
        raise DataError(f"{file}: 'categories' is empty; they are the classes")
    return categories


def _pictures(
    reading: _Reading, content: dict[str, Any], kinds: dict[int, int], root: Path, images: Path | None
) -> list[Picture]:
    sizes = _sizes(reading, content)
    if not sizes:
        raise DataError(f"{reading.file}: it has no picture")
    rows = _rows(reading, content, kinds, sizes)
    names = {key: name for key, (name, _, _) in sizes.items()}
    folder = images or _folder_of(reading.file, root, next(iter(names.values())))
    pictures = []
    for key, (name, width, height) in sizes.items():
        path = folder / name
        if _is_as_said(reading, f"image {key}", path, (width, height)):
            pictures.append(picture_of(path, (width, height), rows.get(key, [])))
    return pictures


def _sizes(reading: _Reading, content: dict[str, Any]) -> dict[Any, tuple[str, int, int]]:
    sizes: dict[Any, tuple[str, int, int]] = {}
    for row in content["images"]:
        key, name, size = row.get("id"), row.get("file_name"), (row.get("width"), row.get("height"))
        if not isinstance(key, int | str) or not isinstance(name, str) or not name:
            reading.fault(f"image {key!r}", "it needs an 'id' and a 'file_name'")
        elif not all(type(side) is int and side > 0 for side in size):
            reading.fault(f"image {key}", f"its width and height are {size}; both must be whole numbers above 0")
        elif key in sizes:
            reading.fault(f"image {key}", f"two images have this id: {sizes[key][0]!r} and {name!r}")
        else:
            sizes[key] = (name, row["width"], row["height"])
    return sizes


def _is_as_said(reading: _Reading, record: str, path: Path, size: tuple[int, int]) -> bool:
    try:
        width, height, turned = header_of(path)
    except DataError as error:
        reading.fault(record, f"{path}: {error}")
        return False
    upright = (height, width) if turned else (width, height)
    if upright == size:
        return True
    hint = "; its boxes were drawn before EXIF turned it: export them upright" if (width, height) == size else ""
    reading.fault(record, f"{size[0]} x {size[1]} here, but {path} is {upright[0]} x {upright[1]}{hint}")
    return False


def _folder_of(file: Path, root: Path, first: str) -> Path:
    """The folder that has the first picture; where none has it, the usual one, so that the fault names that."""
    part = file.stem.removeprefix("instances_")
    places = [root / "images" / part, root / part, file.parent, file.parent / "images", root / "images", root]
    places += [root / "images" / part.rstrip("0123456789"), root / part.rstrip("0123456789")]
    return next((place for place in places if (place / first).is_file()), places[0])


def _rows(
    reading: _Reading, content: dict[str, Any], kinds: dict[int, int], sizes: dict[Any, tuple[str, int, int]]
) -> dict[Any, list[Row]]:
    known = {row["id"] for row in content["categories"]}
    rows: dict[Any, list[Row]] = {}
    for annotation in content["annotations"]:
        record = f"annotation {annotation.get('id')!r}"
        picture, category = annotation.get("image_id"), annotation.get("category_id")
        if picture not in sizes:
            reading.fault(record, f"image_id {picture!r} is no image of the file")
        elif category not in known:
            reading.fault(record, f"category_id {category!r} is no category of the file")
        elif annotation.get("iscrowd"):
            reading.skipped["crowds are left out"] += 1
        elif category in kinds:
            box = _box(reading, record, annotation, sizes[picture][1:])
            if box is not None:
                rows.setdefault(picture, []).append((kinds[category], box))
    return rows


def _box(reading: _Reading, record: str, annotation: dict[str, Any], size: tuple[int, int]) -> tuple[float, ...] | None:
    """xyxy in pixels within the picture, or None and a fault."""
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        reading.fault(record, f"bbox is {str(box)[:80]}; it must be four numbers: left, top, width, height in pixels")
        return None
    left, top, width, height = box
    if width <= 0 or height <= 0:
        reading.fault(record, f"bbox {box} has no area; its third and fourth number are width and height")
        return None
    edges = (max(left, 0), max(top, 0), min(left + width, size[0]), min(top + height, size[1]))
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        reading.fault(record, f"bbox {box} lies outside its picture of {size[0]} x {size[1]} pixels")
        return None
    if left < -1 or top < -1 or left + width > size[0] + 1 or top + height > size[1] + 1:
        reading.skipped["boxes reach out of their picture and are clipped"] += 1
    return tuple(float(edge) for edge in edges)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
