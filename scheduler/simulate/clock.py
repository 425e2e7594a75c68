"""A clock that jumps from one appointment to the next."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf


class VirtualClock:
    """Runs appointments in the order of their times; of equals, the one made first.

    Attributes:
        now_ms: the time.
    """

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._appointments: list[tuple[float, int, Callable[[], object]]] = []
        self._made = 0

    def at(self, due_ms: float, action: Callable[[], object]) -> None:
        """Run ``action`` at ``due_ms``, or now where that has passed."""
        self._made += 1
        heappush(self._appointments, (max(due_ms, self.now_ms), self._made, action))

    def after(self, delay_ms: float, action: Callable[[], object]) -> None:
        """Run ``action`` in ``delay_ms``."""
        self.at(self.now_ms + delay_ms, action)

    def step(self, until_ms: float = inf) -> bool:
        """Keep the next appointment, if it is due by ``until_ms``; whether there was one."""
        if not self._appointments or self._appointments[0][0] > until_ms:
            return False
        self.now_ms, _, action = heappop(self._appointments)
        action()
        return True

    def run(self, until_ms: float = inf) -> None:
        """Keep all appointments up to ``until_ms``."""
        while self.step(until_ms):
            pass
