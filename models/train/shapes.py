"""The outlines of the objects that the demo model finds.

A shape is a tuple of closed paths in a unit disc: the first is filled, each further one is a hole in it. All but the
ring have one path. Coordinates are (n, 2) float arrays, x to the right and y down.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Path = npt.NDArray[np.float64]
Shape = tuple[Path, ...]


def _polygon(corners: int) -> Path:
    angles = np.arange(corners) * (2 * math.pi / corners) - math.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle() -> Shape:
    return (_polygon(40),)


def _square() -> Shape:
    return (_polygon(4),)


def _triangle() -> Shape:
    return (_polygon(3),)


def _hexagon() -> Shape:
    return (_polygon(6),)


def _star() -> Shape:
    star = _polygon(10)
    star[1::2] *= 0.42
    return (star,)


def _cross() -> Shape:
    arm, reach = 0.3, 0.95
    quarter = np.array([[arm, -reach], [arm, -arm], [reach, -arm]])
    turns = [quarter]
    for _ in range(3):
        turns.append(turns[-1] @ np.array([[0.0, 1.0], [-1.0, 0.0]]))
    return (np.concatenate(turns),)


def _ring() -> Shape:
    return (_polygon(40), _polygon(40) * 0.58)


def _heart() -> Shape:
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return (np.stack([x, y + 2.5], axis=1) / 19.5,)


def _crescent() -> Shape:
    # The outer arc of the unit circle, then back along a circle moved to the right through the same two horns.
    horn = math.radians(55)
    outer = np.linspace(horn, 2 * math.pi - horn, 32)
    shift = 0.5
    radius = math.hypot(math.cos(horn) - shift, math.sin(horn))
    start = math.atan2(math.sin(horn), math.cos(horn) - shift)
    inner = np.linspace(2 * math.pi - start, start, 24)
    arc = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    back = np.stack([shift + radius * np.cos(inner), radius * np.sin(inner)], axis=1)
    return ((np.concatenate([arc, back]) + np.array([0.2, 0.0])) / 1.13,)


def _arrow() -> Shape:
    head, shaft, wing = 0.05, 0.22, 0.68
    points = [(-0.98, -shaft), (head, -shaft), (head, -wing), (0.98, 0), (head, wing), (head, shaft), (-0.98, shaft)]
    return (np.array(points, dtype=np.float64),)


_DRAW: dict[str, Callable[[], Shape]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "hexagon": _hexagon,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
    "arrow": _arrow,
}

LABELS: tuple[str, ...] = tuple(_DRAW)
SHAPES: tuple[Shape, ...] = tuple(draw() for draw in _DRAW.values())


def posed(shape: Shape, angle: float, radius: float, squeeze: float, mirrored: bool) -> Shape:
    """Turns a unit shape by ``angle`` (radians) and gives it a radius in pixels, around the origin.

    ``squeeze`` is the ratio of its height to its width before the turn.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    stretch = np.diag([-radius if mirrored else radius, radius * squeeze])
    turn = stretch @ np.array([[cos, sin], [-sin, cos]])
    return tuple(path @ turn for path in shape)
