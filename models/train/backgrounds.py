"""Backgrounds with clutter: gradients, soft blobs, lines, scribbles and outlines that are no object.

Nothing drawn here is one of the shapes in :mod:`models.train.shapes`, so nothing of it has a box.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Generator = np.random.Generator
PLAIN_SHARE = 0.15
"""Some pictures have no clutter: a shape on white paper shall be found too."""


def random_colour(rng: Generator) -> Colour:
    """Any RGB colour, 0 to 255 a channel."""
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def draw_background(rng: Generator, width: int, height: int, unit: float) -> Image.Image:
    """A cluttered RGB picture of the given pixels; ``unit`` is the size of one nominal pixel in it."""
    picture = _ground(rng, width, height)
    if rng.random() < PLAIN_SHARE:
        return picture
    draw = ImageDraw.Draw(picture)
    amount = max(0.4, width * height / (320 * unit) ** 2)
    for clutter, most in ((_lines, 7), (_polygon, 4), (_arc, 4), (_scribble, 4), (_bar, 3), (_glyphs, 3)):
        for _ in range(int(rng.integers(0, max(2, round(most * amount) + 1)))):
            clutter(rng, draw, width, height, unit)
    return picture


def _ground(rng: Generator, width: int, height: int) -> Image.Image:
    """Smooth colour: one tone, a gradient, or soft blobs, by the size of the grid that is stretched."""
    cells = int(rng.choice([1, 2, 3, 6, 12], p=[0.15, 0.3, 0.2, 0.2, 0.15]))
    base = rng.choice([0, 255]) if rng.random() < 0.15 else rng.integers(0, 256, 3)
    spread = float(rng.uniform(0, 110))
    grid = np.clip(base + rng.uniform(-spread, spread, (cells, cells, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.15:
        picture = _striped(rng, picture)
    return picture


def _striped(rng: Generator, picture: Image.Image) -> Image.Image:
    width, height = picture.size
    angle = rng.uniform(0, math.pi)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.sin((columns * math.cos(angle) + rows * math.sin(angle)) * rng.uniform(0.1, 1.2))
    pixels = np.asarray(picture, dtype=np.float32) + waves[..., None] * rng.uniform(5, 30)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _spot(rng: Generator, width: int, height: int) -> npt.NDArray[np.float64]:
    return rng.uniform((0, 0), (width, height))


def _lines(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    ends = [tuple(_spot(rng, width, height)) for _ in range(int(rng.integers(2, 4)))]
    draw.line(ends, fill=random_colour(rng), width=max(1, round(unit * rng.uniform(0.7, 4))))


def _polygon(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    """An irregular splinter: corners at very unequal radii, so that it is none of the shapes."""
    corners = int(rng.integers(5, 9))
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    radii = unit * rng.uniform(6, 50) * rng.uniform(0.25, 1.6, corners)
    points = _spot(rng, width, height) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    draw.polygon([tuple(point) for point in points], fill=random_colour(rng))


def _arc(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    """A thin open arc; never closed, never thick, so that it is no ring and no crescent."""
    x, y = _spot(rng, width, height)
    across, down = unit * rng.uniform(10, 60, 2)
    start = rng.uniform(0, 360)
    box = (x - across, y - down, x + across, y + down)
    draw.arc(box, start, start + rng.uniform(40, 200), fill=random_colour(rng), width=max(1, round(unit * 1.5)))


def _scribble(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    """A line of handwriting: a wave that goes on to the right."""
    steps = int(rng.integers(12, 40))
    x, y = _spot(rng, width, height)
    along = np.cumsum(unit * rng.uniform(0.5, 2.5, steps))
    up = unit * rng.uniform(2, 7) * rng.normal(0, 1, steps)
    draw.line(
        [tuple(p) for p in np.stack([x + along, y + up], axis=1)], fill=random_colour(rng), width=max(1, round(unit))
    )


def _bar(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    """A long upright or lying bar: too long to be a square."""
    x, y = _spot(rng, width, height)
    thick = unit * rng.uniform(3, 20)
    long = thick * rng.uniform(3, 9)
    across, down = (thick, long) if rng.random() < 0.5 else (long, thick)
    draw.rectangle((x, y, x + across, y + down), fill=random_colour(rng))


def _glyphs(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
    """Letters of no alphabet: a row of short strokes."""
    x, y = _spot(rng, width, height)
    colour, tall = random_colour(rng), unit * rng.uniform(5, 14)
    for _ in range(int(rng.integers(3, 9))):
        strokes = rng.uniform(0, 1, (int(rng.integers(2, 4)), 2)) * (tall * 0.6, tall) + (x, y)
        draw.line([tuple(point) for point in strokes], fill=colour, width=max(1, round(tall / 8)))
        x += tall * 0.8
