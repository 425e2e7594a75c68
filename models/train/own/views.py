"""Pictures as training needs them: shrunk to the network's input size, kept in memory as far as a bound allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.letterbox import Letterbox
from models.train.datasets.pixels import Pixels, decode
from models.train.datasets.records import Boxes, ClassIds, Picture


@dataclass(frozen=True)
class View:
    """A picture (h, w, 3) uint8 whose longer side is the input size, its boxes (n, 4) xyxy in it, class ids (n,)."""

    pixels: Pixels
    boxes: Boxes
    class_ids: ClassIds


def view_of(picture: Picture, size: int) -> View:
    """Decodes and shrinks (or enlarges) it. Raises DataError that names the file."""
    pixels = decode(picture.path)
    letterbox = Letterbox.of(pixels.shape[1], pixels.shape[0], size)
    width, height = letterbox.inner_width, letterbox.inner_height
    scale = np.array([width / pixels.shape[1], height / pixels.shape[0]] * 2, np.float32)
    if pixels.shape[:2] != (height, width):
        pixels = np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    return View(pixels, picture.boxes * scale, picture.class_ids)


class Views:
    """All pictures of a part, by their place. The first that fit ``cache_bytes`` stay in memory, the others are decoded
    each time anew. Filled before worker processes are forked, the memory is shared with them.
    """

    def __init__(self, pictures: Sequence[Picture], size: int, cache_bytes: int) -> None:
        self.pictures = pictures
        self.size = size
        self.cache_bytes = cache_bytes
        self._kept: list[View] = []
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> View:
        return self._kept[place] if place < len(self._kept) else view_of(self.pictures[place], self.size)

    def keep_next(self) -> bool:
        """Takes one more picture into memory; False where all are there or no more fit."""
        if len(self._kept) == len(self.pictures):
            return False
        view = view_of(self.pictures[len(self._kept)], self.size)
        if self._kept_bytes + view.pixels.nbytes > self.cache_bytes:
            return False
        self._kept.append(view)
        self._kept_bytes += view.pixels.nbytes
        return True
