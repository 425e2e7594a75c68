"""From a path that a person gives to a data set: which layout it is, what is held out, what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.train.datasets import coco_layout
from models.train.datasets.faults import DataError, Faults
from models.train.datasets.pixels import decode
from models.train.datasets.records import DataSet, Parts, Picture
from models.train.datasets.yolo_layout import read_yolo


@dataclass(frozen=True)
class Source:
    """Where a data set lies. ``images`` is the folder of a COCO file's pictures, where it does not say itself.

    ``val_share`` of the pictures, drawn by ``seed``, are measured on where the set has no such part of its own. With
    ``skip_faults`` what is faulty is left out rather than refused.
    """

    data: Path
    images: Path | None = None
    val_share: float = 0.15
    seed: int = 1
    skip_faults: bool = False


def read_data(source: Source, decode_all: bool = False) -> DataSet:
    """Reads and checks it; ``decode_all`` reads every pixel too. Raises DataError that lists the first faults."""
    faults = Faults()
    parts = _parts(source, faults)
    if decode_all:
        parts = Parts(
            parts.labels,
            _decodable(parts.train, faults),
            None if parts.val is None else _decodable(parts.val, faults),
            parts.notes,
        )
    if not source.skip_faults:
        faults.raise_any()
    notes = list(parts.notes)
    if faults.count:
        notes.append(f"left out: {faults.told()}")
    train, val = _divided(parts, source, notes)
    notes += _odd(parts.labels, train, val)
    return DataSet(parts.labels, tuple(train), tuple(val), tuple(notes))


def _parts(source: Source, faults: Faults) -> Parts:
    data, images = source.data, source.images
    if not data.exists():
        raise DataError(f"{data}: there is no such file or folder; --data names a data.yaml, a COCO file or a folder")
    if data.suffix.lower() in {".yaml", ".yml"}:
        return read_yolo(data, faults)
    if data.suffix.lower() == ".json":
        return coco_layout.read_coco(data, None, data.parent, images, faults)
    if data.is_dir():
        return _of_folder(data, images, faults)
    raise DataError(f"{data}: --data names a data.yaml, a COCO .json file or a folder, not a {data.suffix or 'file'}")


def _of_folder(folder: Path, images: Path | None, faults: Faults) -> Parts:
    described = sorted([*folder.glob("data.y*ml"), *folder.glob("*.y*ml")])
    if described:
        return read_yolo(next((file for file in described if file.stem == "data"), described[0]), faults)
    train = coco_layout.find_part(folder, coco_layout.TRAIN_FILES)
    if train is not None:
        val = coco_layout.find_part(folder, coco_layout.VAL_FILES)
        return coco_layout.read_coco(train, val, folder, images, faults)
    wanted = ", ".join(["data.yaml", *coco_layout.TRAIN_FILES])
    raise DataError(f"{folder}: neither YOLO's nor COCO's layout; looked for {wanted}")


def _decodable(pictures: Sequence[Picture], faults: Faults) -> list[Picture]:
    whole = []
    for picture in pictures:
        try:
            decode(picture.path)
            whole.append(picture)
        except DataError as error:
            faults.add(picture.path, str(error).removeprefix(f"{picture.path}: "))
    return whole


def _divided(parts: Parts, source: Source, notes: list[str]) -> tuple[list[Picture], list[Picture]]:
    if parts.val:
        _check_amount(parts.train)
        return parts.train, parts.val
    if len(parts.train) < 2:
        raise DataError(f"{source.data}: {len(parts.train)} pictures; at least 2 are needed, one to measure on")
    order = np.random.default_rng((source.seed, 0x5EED)).permutation(len(parts.train))
    count = min(max(1, round(len(parts.train) * source.val_share)), len(parts.train) - 1)
    held_out = set(order[:count].tolist())
    notes.append(f"the set has no pictures to measure on: {count} of {len(parts.train)} were drawn and held out")
    train = [picture for place, picture in enumerate(parts.train) if place not in held_out]
    _check_amount(train)
    return train, [parts.train[place] for place in sorted(held_out)]


def _check_amount(train: Sequence[Picture]) -> None:
    if not any(len(picture.boxes) for picture in train):
        raise DataError("no picture to learn from has a box; there is nothing to learn")


def _odd(labels: Sequence[str], train: Sequence[Picture], val: Sequence[Picture]) -> list[str]:
    notes = []
    for name, part in (("learn from", train), ("measure on", val)):
        seen = counted(part)
        missing = [label for place, label in enumerate(labels) if not seen[place]]
        if missing:
            notes.append(f"no object to {name} of: {', '.join(missing)}")
    same = {picture.path.resolve() for picture in train} & {picture.path.resolve() for picture in val}
    if same:
        notes.append(f"{len(same)} pictures are both learnt from and measured on: the measure will flatter")
    return notes


def counted(pictures: Sequence[Picture]) -> Counter[int]:
    """How many objects of each class id are in the pictures."""
    return Counter(kind for picture in pictures for kind in picture.class_ids.tolist())
