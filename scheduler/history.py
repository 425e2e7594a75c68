"""The last minutes as samples, so that whoever opens a page sees how it came to be as it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from scheduler.core.views import QueueView
from tenfold.contract.records import Sample

EVERY_MS = 2_000.0
KEPT = 150
"""Five minutes."""


class History:
    """Keeps the samples of the last :data:`KEPT` times :data:`EVERY_MS`."""

    def __init__(self, earlier: Sequence[Sample] = ()) -> None:
        self.samples: deque[Sample] = deque(earlier, maxlen=KEPT)

    def is_due(self, now_ms: float) -> bool:
        """Whether the last sample is old enough for another."""
        return not self.samples or now_ms - self.samples[-1].at_ms >= EVERY_MS

    def add(self, views: Sequence[QueueView], waits_ms: Mapping[int, Sequence[float]], now_ms: float) -> None:
        """Take a sample of the queues, and of the waits by level since the last one."""
        levels = 1 + max((view.level for view in views), default=0)
        waiting = [0] * levels
        for view in views:
            waiting[view.level] += view.waiting
        ordered = [sorted(waits_ms.get(level, ())) for level in range(levels)]
        self.samples.append(
            Sample(
                now_ms,
                round(sum(view.arrived_per_s for view in views), 2),
                round(sum(view.done_per_s for view in views), 2),
                waiting,
                [quantile(waits, 0.5) for waits in ordered],
                [quantile(waits, 0.99) for waits in ordered],
            )
        )


class _Kept(msgspec.Struct):
    samples: list[Sample] = []


class _Published(msgspec.Struct):
    history: _Kept = msgspec.field(default_factory=_Kept)


def restored_history(published: bytes | None) -> History:
    """Go on where an earlier leader stopped, from what it published; from nothing where that cannot be read."""
    try:
        return History(msgspec.json.decode(published or b"{}", type=_Published).history.samples)
    except msgspec.DecodeError:
        return History()


def quantile(ordered: Sequence[float], part: float) -> float | None:
    """The least of ``ordered``, ascending, that ``part`` (0..1) of it do not exceed: nearest rank; None of nothing."""
    return round(ordered[max(0, ceil(part * len(ordered)) - 1)], 1) if ordered else None
