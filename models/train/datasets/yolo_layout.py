"""YOLO's layout: a ``data.yaml`` that names classes and folders, ``images/…`` beside a ``labels/…`` of the same shape.

The file's keys are ``path`` (the root, by default the file's own folder), ``train`` and ``val`` (a folder, a ``.txt``
with a picture's path a line, or a list of those) and ``names`` (a list, or a mapping from 0 on).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.train.datasets.faults import DataError, Faults
from models.train.datasets.pixels import SUFFIXES, size_of
from models.train.datasets.records import Parts, Picture, picture_of
from models.train.datasets.yolo_labels import read_labels


@dataclass(frozen=True)
class Description:
    """What a ``data.yaml`` says: class names, the roots that paths may be relative to, and the parts' entries."""

    file: Path
    labels: tuple[str, ...]
    roots: tuple[Path, ...]
    train: tuple[str, ...]
    val: tuple[str, ...]


def read_yolo(file: Path, faults: Faults) -> Parts:
    """Reads what ``file`` describes. Raises DataError where its own text is wrong; the rest goes to ``faults``."""
    description = _described(file)
    notes: list[str] = []
    train = _part(description, description.train, faults, notes)
    val = _part(description, description.val, faults, notes) if description.val else None
    return Parts(description.labels, train, val, notes)


def _described(file: Path) -> Description:
    fields, text = _loaded(file)
    labels = _names(fields.get("names"), f"{file}:{_line_of(text, 'names')}")
    counted = fields.get("nc")
    if counted is not None and counted != len(labels):
        raise DataError(f"{file}:{_line_of(text, 'nc')}: nc is {counted}, but names has {len(labels)}")
    train = _entries(fields, "train", f"{file}:{_line_of(text, 'train')}")
    if not train:
        raise DataError(f"{file}: it has no 'train'; that names the folder of the pictures to learn from")
    val = _entries(fields, "val", f"{file}:{_line_of(text, 'val')}")
    return Description(file, labels, _roots(file, fields.get("path")), train, val)


def _loaded(file: Path) -> tuple[dict[str, Any], str]:
    try:
        import yaml
    except ImportError:
        raise DataError("reading a data.yaml needs PyYAML: pip install 'tenfold[train]'") from None
    try:
        text = file.read_text(encoding="utf-8")
        fields = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: it cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise DataError(f"{file}: it is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict):
        raise DataError(f"{file}: it must be a mapping with the keys train, val and names")
    return fields, text


def _names(names: Any, place: str) -> tuple[str, ...]:
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f"{place}: names must be numbered 0 to {len(names) - 1} without a gap, not {list(names)}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{place}: names must be a list of the classes, or a mapping from 0 on")
    labels = tuple(str(name).strip() for name in names)
    if not all(labels) or len(set(labels)) < len(labels):
        raise DataError(f"{place}: each class needs a name of its own, not {list(labels)}")
    return labels


def _entries(fields: dict[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = fields.get(key)
    entries = value if isinstance(value, list) else [value] if value else []
    if not all(isinstance(entry, str) for entry in entries):
        raise DataError(f"{place}: {key} must be a path or a list of paths, not {value!r}")
    return tuple(entries)


def _roots(file: Path, path: Any) -> tuple[Path, ...]:
    """Where to look, the nearest to the file's word first: sets are moved about, and their ``path`` is not."""
    beside = file.parent
    if not isinstance(path, str):
        return (beside,)
    return tuple(dict.fromkeys([beside / path, beside]))


def _line_of(text: str, key: str) -> int:
    found = re.search(rf"^{key}\s*:", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _part(description: Description, entries: Sequence[str], faults: Faults, notes: list[str]) -> list[Picture]:
    paths = list(dict.fromkeys(path for entry in entries for path in _paths(description, entry, faults)))
    pictures = [picture for path in paths if (picture := _picture(path, len(description.labels), faults)) is not None]
    without = sum(not label_path(picture.path).exists() for picture in pictures)
    if pictures and without == len(pictures):
        faults.add(description.file, f"no picture of {', '.join(entries)} has labels; one is {_wanted(pictures[0])}")
    elif without:
        notes.append(f"{without} of {len(pictures)} pictures of {', '.join(entries)} have no label file: background")
    return pictures


def _wanted(picture: Picture) -> str:
    return f"{picture.path}, whose labels would be {label_path(picture.path)}"


def _picture(path: Path, classes: int, faults: Faults) -> Picture | None:
    try:
        width, height = size_of(path)
    except DataError as error:
        faults.add(path, str(error))
        return None
    scale = (width, height, width, height)
    rows = read_labels(label_path(path), classes, faults)
    pixels = [(kind, tuple(share * side for share, side in zip(box, scale, strict=True))) for kind, box in rows]
    return picture_of(path, (width, height), pixels)


def label_path(picture: Path) -> Path:
    """The label file of a picture: the last folder ``images`` of its path becomes ``labels``; else it lies beside."""
    parts = list(picture.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _paths(description: Description, entry: str, faults: Faults) -> Iterator[Path]:
    found = _found(description.roots, entry)
    if found is None:
        tried = ", ".join(str(root / entry) for root in description.roots)
        faults.add(description.file, f"there is no {entry!r}; looked for {tried}")
    elif found.is_dir():
        pictures = sorted(path for path in found.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not pictures:
            faults.add(found, f"no picture in this folder; taken are {', '.join(sorted(SUFFIXES))}")
        yield from pictures
    elif found.suffix == ".txt":
        yield from _listed(found, description, faults)
    else:
        faults.add(found, "neither a folder nor a .txt with a picture's path a line")


def _found(roots: Sequence[Path], entry: str) -> Path | None:
    """A path under the first root that has it. Some tools write ``../train`` and mean ``train``."""
    tried = [root / name for name in (entry, entry.removeprefix("../")) for root in roots]
    return next((path for path in tried if path.exists()), None)


def _listed(file: Path, description: Description, faults: Faults) -> Iterator[Path]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        path = _found((file.parent, *description.roots), line.strip())
        if path is None:
            faults.add(f"{file}:{number}", f"there is no picture {line.strip()!r}, neither from here nor from the root")
        else:
            yield path
