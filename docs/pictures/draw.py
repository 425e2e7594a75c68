"""Draws the timelines of docs/scheduling.md: ``python docs/pictures/draw.py``."""

from __future__ import annotations

from pathlib import Path

from scheduler.simulate.figures import play
from scheduler.simulate.policies import POLICIES
from scheduler.simulate.timeline import svg
from scheduler.simulate.workloads import PRESETS

HERE = Path(__file__).resolve().parent
SEED = 1
WINDOWS_MS = {
    "interactive+bulk": (800.0, 4_000.0),
    "one greedy client": (0.0, 5_000.0),
    "overload": (0.0, 12_000.0),
}


def pictures() -> dict[str, str]:
    """File name → SVG document."""
    drawn = {}
    for name, (from_ms, until_ms) in WINDOWS_MS.items():
        workload = PRESETS[name](SEED)
        runs = [play(workload, policy) for policy in POLICIES]
        drawn[f"{name.replace(' ', '-').replace('+', '-and-')}.svg"] = svg(runs, from_ms, until_ms)
    return drawn


if __name__ == "__main__":
    for file_name, document in pictures().items():
        (HERE / file_name).write_text(document, encoding="utf-8")
