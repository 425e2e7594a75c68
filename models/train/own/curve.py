"""The learning curve as a PNG: the loss on the left, the average precision on the right, over the epochs.

Drawn with Pillow, which every worker has, since two lines on axes are no reason for a plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.train.own.progress import Epoch

WIDTH, HEIGHT = 1200, 480
INK, FAINT, PAPER = "#222222", "#dddddd", "#ffffff"
COLOURS = ("#1f5fa8", "#c2571a")


@dataclass(frozen=True)
class Line:
    """A named row of values, one an epoch; None where there is none."""

    name: str
    values: Sequence[float | None]


def draw_curve(epochs: Sequence[Epoch], path: Path) -> None:
    """Writes the picture in one move. ``epochs`` holds at least one."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    losses = [Line("loss (training)", [one.loss for one in epochs])]
    figures = [
        Line("mAP50 (val)", [one.map50 for one in epochs]),
        Line("mAP50-95 (val)", [one.map50_95 for one in epochs]),
    ]
    top = max(one.loss for one in epochs)
    _Panel(draw, 60, 575, _round_up(top), len(epochs)).draw(losses)
    _Panel(draw, 660, 1175, 1.0, len(epochs)).draw(figures)
    beside = path.with_suffix(".part")
    image.save(beside, "PNG")
    beside.replace(path)


class _Panel:
    """Axes from 0 to ``most`` between two columns of the picture, over epochs 1 to ``epochs``."""

    def __init__(self, draw: ImageDraw.ImageDraw, left: int, right: int, most: float, epochs: int) -> None:
        self.pen = draw
        self.left, self.right = left, right
        self.top, self.bottom = 50, HEIGHT - 50
        self.most = most
        self.epochs = epochs
        self.font = ImageFont.load_default(16)

    def draw(self, lines: Sequence[Line]) -> None:
        """Grid, axes, lines and their names."""
        for part in range(6):
            value = self.most * part / 5
            y = self._y(value)
            self.pen.line([(self.left, y), (self.right, y)], fill=INK if part == 0 else FAINT)
            self.pen.text((self.left - 8, y), f"{value:.3g}", INK, self.font, anchor="rm")
        for epoch in sorted({1, (1 + self.epochs) // 2, self.epochs}):
            self.pen.text((self._x(epoch), self.bottom + 8), str(epoch), INK, self.font, anchor="ma")
        self.pen.text((self.right, self.bottom + 26), "epoch", INK, self.font, anchor="ra")
        for number, line in enumerate(lines):
            self._line(line, COLOURS[number])
            self.pen.text((self.left + 220 * number, 18), line.name, COLOURS[number], self.font)

    def _line(self, line: Line, colour: str) -> None:
        points = [(self._x(i), self._y(value)) for i, value in enumerate(line.values, 1) if value is not None]
        if len(points) > 1:
            self.pen.line(points, fill=colour, width=2, joint="curve")
        for x, y in points if len(points) <= 40 else points[-1:]:
            self.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)

    def _x(self, epoch: int) -> float:
        return self.left + (self.right - self.left) * (epoch - 1) / max(1, self.epochs - 1)

    def _y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(value / self.most, 1.0)


def _round_up(value: float) -> float:
    """To the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
