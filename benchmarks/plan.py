"""What a run is to do: how long, how often, with whom."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psutil

from benchmarks.contenders import Contender, Setup
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Plan:
    """Shared by all parts.

    Attributes:
        seconds: length of one measurement.
        repeats: rounds in which the sides alternate.
    """

    setup: Setup
    machine: Machine
    contenders: list[Contender]
    seconds: float
    repeats: int
    quick: bool
    notes: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def busy_cores(seconds: float = 1.0) -> float:
    """Cores that are busy now, by everybody."""
    return psutil.cpu_percent(interval=seconds) / 100 * (psutil.cpu_count() or 1)
