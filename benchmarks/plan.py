"""What a run is to do: how long, how often, with whom."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.contenders import Contender, Setup
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Plan:
    """Shared by all parts.

    Attributes:
        seconds: length of one measurement.
        repeats: rounds in which the sides alternate.
        out: where the report goes.
        singles: counted singles a side of part ``fairness``, 0: as many as it takes; ``scenes`` of it, none: all.
        resume: keep what an interrupted run of that part has measured.
    """

    setup: Setup
    machine: Machine
    contenders: list[Contender]
    seconds: float
    repeats: int
    quick: bool
    out: Path = Path()
    singles: int = 0
    scenes: tuple[str, ...] = ()
    resume: bool = False
    notes: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def busy_cores(seconds: float = 1.0) -> float:
    """Cores that are busy now, by everybody."""
    return psutil.cpu_percent(interval=seconds) / 100 * (psutil.cpu_count() or 1)
