"""Fitting an image into the input as these families' own tools do, so that a checkpoint sees what it was trained on.

The difference to :mod:`models.letterbox`: shrinking takes the nearest four pixels and does not average over all that a
new one covers. Pixels differ from OpenCV's by at most one step of 255, since it rounds otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.letterbox import GREY, Letterbox


def fit(image: Tensor, size: int) -> tuple[Tensor, Letterbox]:
    """An RGB image (3, H, W) uint8 to the input (3, size, size) uint8, with where it lies."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"an image is (3, H, W) uint8, got {tuple(image.shape)} {image.dtype}")
    letterbox = Letterbox.of(image.shape[2], image.shape[1], size)
    square = torch.full((size, size, 3), GREY, dtype=torch.uint8).permute(2, 0, 1)
    rows = slice(letterbox.top, letterbox.top + letterbox.inner_height)
    columns = slice(letterbox.left, letterbox.left + letterbox.inner_width)
    square[:, rows, columns] = _resized(image, letterbox.inner_height, letterbox.inner_width)
    return square, letterbox


def _resized(image: Tensor, height: int, width: int) -> Tensor:
    if image.shape[1:] == (height, width):
        return image
    return functional.interpolate(image[None], (height, width), mode="bilinear", align_corners=False)[0]
