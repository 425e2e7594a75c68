"""A data set in memory: where its pictures lie and what is in them. Pixels stay on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Picture:
    """A file of ``width`` x ``height`` pixels after its EXIF orientation; ``boxes`` (n, 4) xyxy in those pixels and
    within them, ``class_ids`` (n,). Without a box it is background.
    """

    path: Path
    width: int
    height: int
    boxes: Boxes
    class_ids: ClassIds


@dataclass(frozen=True)
class Parts:
    """What a layout's reader found. ``val`` is None where the layout names no such part; ``notes`` are for people."""

    labels: tuple[str, ...]
    train: list[Picture]
    val: list[Picture] | None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DataSet:
    """What is trained on and what is measured on; a class id is a place in ``labels``."""

    labels: tuple[str, ...]
    train: tuple[Picture, ...]
    val: tuple[Picture, ...]
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Changes with labels, order, names of files, sizes and boxes; not with where the data set lies."""
        sha256 = hashlib.sha256("\0".join(self.labels).encode())
        for part in (self.train, self.val):
            sha256.update(len(part).to_bytes(8, "big"))
            for picture in part:
                sha256.update(f"\0{picture.path.name}\0{picture.width}x{picture.height}\0".encode())
                sha256.update(picture.boxes.tobytes() + picture.class_ids.tobytes())
        return sha256.hexdigest()


def picture_of(path: Path, size: tuple[int, int], rows: list[tuple[int, tuple[float, ...]]]) -> Picture:
    """A picture from rows of class id and box (xyxy in pixels); boxes are clipped, exact repetitions dropped."""
    width, height = size
    unique = list(dict.fromkeys(rows))
    boxes = np.array([box for _, box in unique], np.float32).reshape(-1, 4)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    return Picture(path, width, height, boxes, np.array([kind for kind, _ in unique], np.int64))
