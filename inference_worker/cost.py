"""What a micro-batch costs, learned from those that ran: ``base + item · n`` milliseconds."""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import median

RECENT_PIECES = 8
"""How many micro-batches of each size count; older ones are forgotten, so the curve follows the machine."""


class CostCurve:
    """A line through the recent costs of each number of images, by least squares.

    Of each number of images the median counts, once: a pause of the machine does not bend the line, and a stream of
    equal batches does not push out the other sizes without which base and slope could not be told apart.
    """

    def __init__(self) -> None:
        self._recent: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT_PIECES))
        self._line = (0.0, 0.0)

    def record(self, images: int, took_ms: float) -> None:
        """A micro-batch of ``images`` took ``took_ms``."""
        self._recent[images].append(took_ms)
        self._line = _fit([(n, median(costs)) for n, costs in self._recent.items()])

    @property
    def base_ms(self) -> float:
        """What any micro-batch costs, however small; 0 while nothing is known."""
        return self._line[0]

    def cost_ms(self, images: int) -> float:
        """The expected cost of ``images`` in one micro-batch; 0 while nothing is known."""
        return self._line[0] + self._line[1] * images


def _fit(points: list[tuple[int, float]]) -> tuple[float, float]:
    """(base, item) of the line through ``points``, neither below 0."""
    mean_n = sum(n for n, _ in points) / len(points)
    mean_ms = sum(ms for _, ms in points) / len(points)
    spread = sum((n - mean_n) ** 2 for n, _ in points)
    if spread == 0:
        # One size alone says nothing of the base: all of it is, so that nothing is split on a guess.
        return mean_ms, 0.0
    item = max(0.0, sum((n - mean_n) * (ms - mean_ms) for n, ms in points) / spread)
    base = mean_ms - item * mean_n
    if base < 0:
        return 0.0, mean_ms / mean_n
    return base, item
