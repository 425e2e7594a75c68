"""Fitting an image into the network's square input, and back: the first half of the pair with :mod:`models.boxes`.

The image keeps its proportions, is scaled so that its longer side fills the square, and stands in the middle on grey.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """Where an image of ``width`` x ``height`` pixels lies in a square of ``size``.

    It covers ``inner_width`` x ``inner_height`` pixels from (``left``, ``top``). Scales are kept per axis, since
    rounding to whole pixels makes them differ a little.
    """

    width: int
    height: int
    size: int
    inner_width: int
    inner_height: int
    left: int
    top: int

    @classmethod
    def of(cls, width: int, height: int, size: int) -> Letterbox:
        """Raises ValueError where a side is not positive."""
        if min(width, height, size) < 1:
            raise ValueError(f"an image and its input need at least one pixel a side, got {width}x{height} and {size}")
        scale = size / max(width, height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (size - inner_width) // 2, (size - inner_height) // 2
        return cls(width, height, size, inner_width, inner_height, left, top)

    def to_input(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) xyxy in the image's pixels to the input's."""
        return boxes * self._scales(boxes) + self._offsets(boxes)

    def to_image(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) xyxy in the input's pixels to the image's, clipped to it."""
        inside = (boxes - self._offsets(boxes)) / self._scales(boxes)
        limits = inside.new_tensor([self.width, self.height, self.width, self.height])
        return torch.minimum(inside.clamp(min=0), limits)

    def _scales(self, like: Tensor) -> Tensor:
        across, down = self.inner_width / self.width, self.inner_height / self.height
        return like.new_tensor([across, down, across, down])

    def _offsets(self, like: Tensor) -> Tensor:
        return like.new_tensor([self.left, self.top, self.left, self.top])


def fit(image: Tensor, size: int) -> tuple[Tensor, Letterbox]:
    """An RGB image (3, H, W) uint8 to the input (3, size, size) uint8, with where it lies.

    Decoders write pixels row by row with their three bytes together; that layout, seen as (3, H, W) by ``permute``, is
    the fast one here (0.8 ms for 640 x 480, 5 ms for 12 megapixels; after ``contiguous()`` it takes 2 to 9 times as
    long), and the input has it too.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"an image is (3, H, W) uint8, got {tuple(image.shape)} {image.dtype}")
    letterbox = Letterbox.of(image.shape[2], image.shape[1], size)
    inner = _resized(image, letterbox.inner_height, letterbox.inner_width)
    square = torch.full((size, size, 3), GREY, dtype=torch.uint8).permute(2, 0, 1)
    rows = slice(letterbox.top, letterbox.top + letterbox.inner_height)
    columns = slice(letterbox.left, letterbox.left + letterbox.inner_width)
    square[:, rows, columns] = inner
    return square, letterbox


def _resized(image: Tensor, height: int, width: int) -> Tensor:
    if image.shape[1:] == (height, width):
        return image
    return functional.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]
