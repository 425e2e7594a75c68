"""A rate over the last seconds."""

from __future__ import annotations

import math

WINDOW_MS = 10_000.0


class Meter:
    """Counts per second, each count fading with a time constant of ten seconds."""

    __slots__ = ("_at_ms", "_faded", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._faded = 0.0
        self._at_ms = 0.0

    def add(self, count: float, now_ms: float) -> None:
        """``count`` more happened."""
        self.total += count
        if now_ms > self._at_ms:
            self._faded *= math.exp((self._at_ms - now_ms) / WINDOW_MS)
            self._at_ms = now_ms
        self._faded += count

    def per_second(self, now_ms: float) -> float:
        """The rate, 1/s."""
        return self._faded * math.exp(min(0.0, self._at_ms - now_ms) / WINDOW_MS) * 1000.0 / WINDOW_MS


def meter_of(meters: dict[tuple[str, int], Meter], key: tuple[str, int]) -> Meter:
    """The meter of a (lane, level), new where there is none."""
    meter = meters.get(key)
    if meter is None:
        meter = meters[key] = Meter()
    return meter
