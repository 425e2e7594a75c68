"""Who ran when, as a picture: one band a policy, one row a worker, one block a micro-batch."""

from __future__ import annotations

from collections import Counter
from html import escape

from scheduler.simulate.engine import Piece
from scheduler.simulate.figures import Run

WIDTH = 960
LEFT, RIGHT = 90, 20
ROW, GAP, TITLE = 22, 4, 26
COLORS = ("#3b7dd8", "#e0803a", "#4aa564", "#b04fa0", "#8a8f98", "#c9a227")
"""Of the labels in their order; the last ones share the last."""


def svg(runs: list[Run], from_ms: float, until_ms: float) -> str:
    """The picture of ``runs`` of one workload between two times, as an SVG document.

    A block's colours are its images' clients, each with its part of the height; a frame marks level 0.
    """
    colors = _colors(runs[0])
    scale = (WIDTH - LEFT - RIGHT) / (until_ms - from_ms)
    parts: list[str] = []
    top = 40.0
    for run in runs:
        labels = {job_id: _label(run, job_id) for job_id in run.engine.arrivals}
        parts.append(_text(LEFT, top + 14, f"{run.policy}", weight="bold"))
        top += TITLE
        for worker in sorted(run.engine.workers):
            parts.append(_text(LEFT - 8, top + ROW - 7, worker, anchor="end"))
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{ROW}" fill="#f2f3f5"/>')
            for piece in run.engine.history.pieces:
                if piece.worker == worker and piece.end_ms > from_ms and piece.start_ms < until_ms:
                    parts += _block(labels, piece, colors, from_ms, until_ms, scale, top)
            top += ROW + GAP
    parts += _axis(from_ms, until_ms, scale, top)
    title = f"{runs[0].workload.name}: {runs[0].workload.about}"
    size = f'width="{WIDTH}" height="{top + 30:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *_legend(colors),
            *parts,
            "</svg>",
            "",
        ]
    )


def _label(run: Run, job_id: str) -> str:
    """What a block is coloured by: its client, or its kind of job where there are more clients than colours."""
    arrival = run.engine.arrivals[job_id]
    few = len({one.client for one in run.workload.arrivals}) <= len(COLORS)
    return arrival.client if few else arrival.kind


def _colors(run: Run) -> dict[str, str]:
    labels = dict.fromkeys(_label(run, job_id) for job_id in run.engine.arrivals)
    return {label: COLORS[min(place, len(COLORS) - 1)] for place, label in enumerate(sorted(labels))}


def _block(
    labels: dict[str, str],
    piece: Piece,
    colors: dict[str, str],
    from_ms: float,
    until_ms: float,
    scale: float,
    top: float,
) -> list[str]:
    left = LEFT + (max(piece.start_ms, from_ms) - from_ms) * scale
    width = max(0.6, (min(piece.end_ms, until_ms) - max(piece.start_ms, from_ms)) * scale - 0.4)
    counts = Counter(colors[labels[job_id]] for job_id, _ in piece.items)
    parts, y = [], top
    for color, count in counts.items():
        height = ROW * count / len(piece.items)
        parts.append(f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>')
        y += height
    if piece.level == 0:
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" fill="none" stroke="#222"'
            ' stroke-width="0.8"/>'
        )
    return parts


def _legend(colors: dict[str, str]) -> list[str]:
    parts, left = [], float(LEFT)
    for label, color in colors.items():
        parts.append(f'<rect x="{left:.0f}" y="12" width="12" height="12" fill="{color}"/>')
        parts.append(_text(left + 17, 22, label))
        left += 34 + 7 * len(label)
    parts.append(f'<rect x="{left:.0f}" y="12" width="12" height="12" fill="none" stroke="#222"/>')
    parts.append(_text(left + 17, 22, "level 0"))
    return parts


def _axis(from_ms: float, until_ms: float, scale: float, top: float) -> list[str]:
    step_ms = next(
        step
        for step in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 1e12)
        if (until_ms - from_ms) / step <= 12
    )
    parts, at_ms = [], from_ms - from_ms % step_ms
    while at_ms <= until_ms + 1e-9:
        if at_ms >= from_ms:
            x = LEFT + (at_ms - from_ms) * scale
            parts.append(
                f'<line x1="{x:.1f}" y1="36" x2="{x:.1f}" y2="{top:.0f}" stroke="#d5d8dd" stroke-width="0.5"/>'
            )
            parts.append(_text(x, top + 16, f"{at_ms / 1000:g} s", anchor="middle"))
        at_ms += step_ms
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
