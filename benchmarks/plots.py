"""Bars as PNG, where matplotlib is installed (`pip install matplotlib`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.report import Section


def draw(sections: list[Section], folder: Path) -> list[Path]:
    """A picture a title; nothing where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return []
    paths = []
    for title, values in ((title, values) for section in sections for title, values in section.bars.items()):
        figure = Figure(figsize=(7, 0.6 + 0.4 * len(values)), layout="constrained")
        axes = figure.add_subplot()
        labels = list(values)[::-1]
        drawn = axes.barh(labels, [values[label] for label in labels], color="#3b7dd8")
        axes.bar_label(drawn, fmt="%.3g", padding=3)
        axes.set_title(title)
        axes.margins(x=0.15)
        path = folder / f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.png"
        figure.savefig(path, dpi=120)
        paths.append(path)
    return paths
