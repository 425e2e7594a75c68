"""A label file of YOLO's layout: a line an object, ``class x y width height`` or ``class x1 y1 x2 y2 x3 y3 …``.

Numbers are shares of the picture's width and height. The first form is the middle and the size of a box; the second is
the outline of a segment, which becomes the box around it.
"""

from __future__ import annotations

import math
from pathlib import Path

from models.train.datasets.faults import Faults

SLACK = 0.01
"""Rounding puts honest labels a little outside; more than this and the numbers are probably pixels."""

Row = tuple[int, tuple[float, ...]]
"""A class id and a box, xyxy, in shares of width and height."""


def read_labels(path: Path, classes: int, faults: Faults) -> list[Row]:
    """The objects of a label file; none where there is no file. What is malformed is a fault with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        faults.add(path, f"the label file cannot be read as text: {error}")
        return []
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append(parse_line(line, classes))
        except ValueError as error:
            faults.add(f"{path}:{number}", str(error))
    return rows


def parse_line(line: str, classes: int) -> Row:
    """One object. Raises ValueError that says what is wrong and what would be right."""
    fields = line.split()
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        what = "'class x y width height', or a class and the x and y of at least three points"
        raise ValueError(f"{len(fields)} numbers; a line is {what}")
    numbers = [_number(field) for field in fields]
    kind = _class_id(fields[0], numbers[0], classes)
    _check_shares(numbers[1:])
    return kind, _around_points(numbers[1:]) if len(fields) > 5 else _from_middle(numbers[1:])


def _number(field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        raise ValueError(f"{field[:40]!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{field} is no finite number")
    return value


def _class_id(field: str, value: float, classes: int) -> int:
    if value != int(value):
        raise ValueError(f"class {field} is no whole number")
    if not 0 <= value < classes:
        raise ValueError(f"class {int(value)} is not among the names, which are numbered 0 to {classes - 1}")
    return int(value)


def _check_shares(values: list[float]) -> None:
    outside = next((value for value in values if not -SLACK <= value <= 1 + SLACK), None)
    if outside is not None:
        raise ValueError(f"{outside:g} is not within 0 and 1; places are shares of the picture's width and height")


def _from_middle(values: list[float]) -> tuple[float, ...]:
    x, y, width, height = values
    if width <= 0 or height <= 0:
        raise ValueError(f"a box of {width:g} by {height:g}; width and height must be more than 0")
    return _clipped(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _around_points(values: list[float]) -> tuple[float, ...]:
    across, down = values[::2], values[1::2]
    return _clipped(min(across), min(down), max(across), max(down))


def _clipped(*edges: float) -> tuple[float, ...]:
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in edges)
    if left >= right or top >= bottom:
        raise ValueError("the box has no area within the picture")
    return left, top, right, bottom
