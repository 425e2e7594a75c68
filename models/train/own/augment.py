"""What a picture may look like otherwise and still show the same objects: larger, elsewhere, mirrored, in other light.

Mosaics of four pictures (Bochkovskiy et al. 2020, "YOLOv4", arXiv:2004.10934) show small data sets in many
surroundings. All functions are pure: their randomness is the generator that they are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.letterbox import GREY, Letterbox
from models.train.datasets.pixels import Pixels
from models.train.own.views import View

Generator = np.random.Generator

VISIBLE_MIN = 0.25
"""An object of which less than this share of its box is left is no longer asked for."""
SIDE_MIN = 2.0
"""Nor one whose box is narrower than so many input pixels."""
AS_SERVED_SHARE = 0.2


@dataclass(frozen=True)
class Augmentation:
    """Shares in 0..1: ``mosaic`` of pictures put together from four, ``recolour`` of pictures in other light. ``flip``:
    whether half of them are mirrored left to right.
    """

    mosaic: float = 0.5
    recolour: float = 0.8
    flip: bool = True


@dataclass(frozen=True)
class Window:
    """A rectangle of the input, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def sample(rng: Generator, size: int, options: Augmentation, first: View, draw: Callable[[], View]) -> View:
    """One training picture (size, size, 3) with its boxes; ``draw`` gives the further pictures of a mosaic."""
    if rng.random() < options.mosaic:
        view = _mosaic(rng, size, [first, draw(), draw(), draw()])
    elif rng.random() < AS_SERVED_SHARE:
        view = as_served(first, size)
    else:
        view = _alone(rng, size, first)
    if options.flip and rng.random() < 0.5:
        view = mirrored(view)
    if rng.random() < options.recolour:
        view = View(_recoloured(rng, view.pixels), view.boxes, view.class_ids)
    return view


def as_served(view: View, size: int) -> View:
    """In the middle on grey, as a worker's letterbox puts it."""
    height, width = view.pixels.shape[:2]
    letterbox = Letterbox.of(width, height, size)
    canvas = _Canvas(size)
    canvas.put(view, Window(0, 0, size, size), 1.0, (letterbox.left, letterbox.top))
    return canvas.view()


def mirrored(view: View) -> View:
    """Left to right."""
    width = view.pixels.shape[1]
    boxes = view.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
    boxes += np.array([width, 0, width, 0], np.float32)
    return View(np.ascontiguousarray(view.pixels[:, ::-1]), boxes, view.class_ids)


class _Canvas:
    """A grey square that pictures are put on, and the boxes of what can still be seen of them."""

    def __init__(self, size: int) -> None:
        self.image = Image.new("RGB", (size, size), (GREY, GREY, GREY))
        self.boxes: list[npt.NDArray[np.float32]] = []
        self.class_ids: list[npt.NDArray[np.int64]] = []

    def put(self, view: View, window: Window, scale: float, corner: tuple[int, int]) -> None:
        """Puts a picture, scaled, with its upper left at ``corner``; what is outside of the window is cut."""
        height, width = view.pixels.shape[:2]
        across, down = max(1, round(width * scale)), max(1, round(height * scale))
        image = Image.fromarray(view.pixels)
        if (across, down) != (width, height):
            image = image.resize((across, down), Image.Resampling.BILINEAR)
        cut = _overlap(window, corner, (across, down))
        if cut.left >= cut.right or cut.top >= cut.bottom:
            return
        x, y = corner
        part = image.crop((cut.left - x, cut.top - y, cut.right - x, cut.bottom - y))
        self.image.paste(part, (cut.left, cut.top))
        factors = np.array([across / width, down / height] * 2, np.float32)
        boxes = view.boxes * factors + np.array([x, y, x, y], np.float32)
        inside = np.clip(
            boxes, [cut.left, cut.top, cut.left, cut.top], [cut.right, cut.bottom, cut.right, cut.bottom]
        ).astype(np.float32)
        kept = _still_there(boxes, inside)
        self.boxes.append(inside[kept])
        self.class_ids.append(view.class_ids[kept])

    def view(self) -> View:
        """What was put together."""
        boxes = np.concatenate([*self.boxes, np.zeros((0, 4), np.float32)])
        return View(np.array(self.image), boxes, np.concatenate([*self.class_ids, np.zeros(0, np.int64)]))


def _overlap(window: Window, corner: tuple[int, int], size: tuple[int, int]) -> Window:
    (x, y), (across, down) = corner, size
    return Window(max(window.left, x), max(window.top, y), min(window.right, x + across), min(window.bottom, y + down))


def _still_there(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    was, now = (boxes[:, 2:] - boxes[:, :2] for boxes in (before, after))
    visible: npt.NDArray[np.bool_] = now.prod(1) >= VISIBLE_MIN * was.prod(1)
    wide: npt.NDArray[np.bool_] = now.min(1, initial=math.inf) >= SIDE_MIN
    return np.logical_and(visible, wide)


def _alone(rng: Generator, size: int, view: View) -> View:
    canvas = _Canvas(size)
    whole = Window(0, 0, size, size)
    scale = math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
    canvas.put(view, whole, scale, _somewhere(rng, whole, view, scale))
    return canvas.view()


def _mosaic(rng: Generator, size: int, views: list[View]) -> View:
    canvas = _Canvas(size)
    x, y = (round(size * rng.uniform(0.35, 0.65)) for _ in range(2))
    windows = (Window(0, 0, x, y), Window(x, 0, size, y), Window(0, y, x, size), Window(x, y, size, size))
    for window, view in zip(windows, views, strict=True):
        scale = float(rng.uniform(0.5, 1.1))
        canvas.put(view, window, scale, _somewhere(rng, window, view, scale))
    return canvas.view()


def _somewhere(rng: Generator, window: Window, view: View, scale: float) -> tuple[int, int]:
    """A corner at which the smaller of picture and window lies wholly in the larger one."""
    height, width = view.pixels.shape[:2]
    spare_x = window.right - window.left - round(width * scale)
    spare_y = window.bottom - window.top - round(height * scale)
    x, y = (round(spare * rng.random()) for spare in (spare_x, spare_y))
    return window.left + x, window.top + y


def _recoloured(rng: Generator, pixels: Pixels) -> Pixels:
    """Other brightness, contrast, saturation and tint, each a little."""
    values = pixels.astype(np.float32)
    grey = values.mean(2, keepdims=True)
    values = grey + (values - grey) * np.float32(rng.uniform(0.5, 1.5))
    middle = values.mean()
    values = middle + (values - middle) * np.float32(rng.uniform(0.75, 1.25))
    values *= (rng.uniform(0.7, 1.3) * rng.uniform(0.93, 1.07, 3)).astype(np.float32)
    lit: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return lit
