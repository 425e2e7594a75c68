"""What one leadership counted: batches and their fill, waits, service times, and every turn of the feedback queue.

A new leader counts from zero again, as a process does; Prometheus' counters expect that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, Trace, TraceKind
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    CoreEvent,
    EndReason,
    WorkerJoined,
    WorkerLeft,
)
from scheduler.core.jobs import Batch, Share

WAIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
SERVICE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
FILL_ITEMS = (1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0, 16.0, 32.0)

WAITS_KEPT_MAX = 2_000
"""Waits of one level that a sample looks at, at most; more in two seconds are counted, but not in its percentiles."""

Place = tuple[str, int]
"""A lane and a level."""

_TURNS = (TraceKind.SANK, TraceKind.AGED, TraceKind.MOVED, TraceKind.HELD_DOWN)


class Histogram:
    """Counts by upper bounds, as Prometheus has them."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float, times: int = 1) -> None:
        """``value`` was seen ``times`` times."""
        self._counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def told(self) -> dict[str, object]:
        """Bounds, cumulated counts (one more than bounds: the last is all), and the sum."""
        return {"bounds": self.bounds, "counts": list(accumulate(self._counts)), "sum": round(self.total, 6)}


class Tally:
    """Counts what passes between the core and its shell.

    Attributes:
        waits_ms: how long the items claimed since the last :meth:`forget_waits` had waited, by their own level.
    """

    def __init__(self) -> None:
        self.waits_ms: dict[int, list[float]] = {}
        self._turns: Counter[str] = Counter()
        self._preempted: Counter[Place] = Counter()
        self._waited: dict[Place, Histogram] = {}
        self._served: dict[Place, Histogram] = {}
        self._filled: dict[Place, Histogram] = {}
        self._workers: set[str] = set()
        self._joined = 0

    def meet(self, workers: Iterable[str]) -> None:
        """Know the workers that live already: they did not join under this leadership."""
        self._workers.update(workers)

    def note(self, events: Iterable[CoreEvent], batches: Mapping[str, Batch], now_ms: float) -> None:
        """Count ``events``; ``batches`` are those that live before the core hears of them."""
        for event in events:
            if isinstance(event, BatchClaimed | BatchEnded | BatchLost):
                batch = batches.get(event.batch_id)
                if batch is not None:
                    self._of_batch(event, batch, now_ms)
            elif isinstance(event, WorkerJoined):
                # One that announces itself again, as after a reload of its model, is no new one.
                self._joined += event.worker.name not in self._workers
                self._workers.add(event.worker.name)
            elif isinstance(event, WorkerLeft):
                self._workers.discard(event.name)

    def note_decided(self, decisions: Iterable[Decision]) -> None:
        """Count what the core decided."""
        for decision in decisions:
            if isinstance(decision, DispatchBatch):
                filled = _of(self._filled, (decision.lane, decision.level), FILL_ITEMS)
                filled.observe(len(decision.items))
            elif isinstance(decision, ExpireJob):
                self._turns["expired"] += 1
            elif isinstance(decision, Trace) and decision.kind in _TURNS:
                self._turns[decision.kind] += 1

    def forget_waits(self) -> None:
        """Begin the next sample."""
        self.waits_ms = {}

    def told(self) -> dict[str, object]:
        """What is published."""
        names = [*(str(kind) for kind in _TURNS), "expired", "lost"]
        return {
            "joined": self._joined,
            "turns": {name: self._turns[name] for name in names},
            "preempted": [{"lane": lane, "level": level, "count": n} for (lane, level), n in self._preempted.items()],
            "wait_s": _told(self._waited),
            "service_s": _told(self._served),
            "fill_items": _told(self._filled),
        }

    def _of_batch(self, event: BatchClaimed | BatchEnded | BatchLost, batch: Batch, now_ms: float) -> None:
        place = batch.lane, batch.level
        if isinstance(event, BatchClaimed):
            self._claimed(batch, now_ms)
        elif isinstance(event, BatchLost):
            # One that vanished before it was claimed, as a canceled one does, cost no worker.
            self._turns["lost"] += bool(event.worker)
        else:
            if event.pieces:
                _of(self._served, place, SERVICE_S).observe(sum(spent_ms for _, spent_ms in event.pieces) / 1000)
            if event.reason is EndReason.PREEMPTED:
                self._preempted[place] += 1

    def _claimed(self, batch: Batch, now_ms: float) -> None:
        for share in batch.shares:
            wait_ms = max(0.0, now_ms - share.job.came_ms(share.indexes[0]))
            items = len(share.indexes)
            level = own_level(share, batch)
            _of(self._waited, (batch.lane, level), WAIT_S).observe(wait_ms / 1000, items)
            sample = self.waits_ms.setdefault(level, [])
            if len(sample) < WAITS_KEPT_MAX:
                sample += [wait_ms] * items


def own_level(share: Share, batch: Batch) -> int:
    """The level whose wait this was: a bulk job that rose, or filled an urgent batch, says nothing of urgent ones."""
    return share.level if share.level >= 0 else max(batch.level, share.job.level)


def _of(histograms: dict[Place, Histogram], place: Place, bounds: tuple[float, ...]) -> Histogram:
    found = histograms.get(place)
    if found is None:
        found = histograms[place] = Histogram(bounds)
    return found


def _told(histograms: Mapping[Place, Histogram]) -> list[dict[str, object]]:
    return [{"lane": lane, "level": level, **histogram.told()} for (lane, level), histogram in histograms.items()]
