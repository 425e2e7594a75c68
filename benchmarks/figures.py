"""Medians, spreads and percentiles, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The middle of repeated measurements with their least and greatest."""

    median: float
    least: float
    greatest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError where there are none."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        """``1.23 (1.20 to 1.31)``, or the value alone where it was measured once."""
        if self.count == 1:
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.least)} to {shown(self.greatest)})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of ``values`` do not exceed; of 50 values the 99th percentile is the greatest.

    Raises ValueError where there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[min(len(ordered), rank) - 1]


def shown(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12345."""
    if value == 0:
        return "0"
    digits = 4 if abs(value) < 0.1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}".replace(",", " ") if abs(value) >= 10_000 else f"{value:.{digits}f}"
