"""What the scheduler tells of itself twice a second: for ``/v1/queues``, ``Retry-After`` and each job's place."""

from __future__ import annotations

from itertools import islice

from scheduler.core.core import Core
from scheduler.core.jobs import Batch
from scheduler.core.views import QueueView
from scheduler.history import EVERY_MS, History
from scheduler.tally import Tally
from tenfold.store.keys import Keys

Standings = dict[str, tuple[int, float | None]]

BATCHES_TOLD_MAX = 64
"""Live batches that are told one by one, the earliest first; workers hold far fewer."""


class Status:
    """Turns the core's views, and what was counted beside it, into what is published."""

    def __init__(self, token: str, keys: Keys, tally: Tally, history: History) -> None:
        self._token = token
        self._keys = keys
        self._tally = tally
        self._history = history

    def queues(self, core: Core, now_ms: float) -> dict[str, object]:
        """Depth, age and rates for each lane and level, live batches, counts, and the last minutes."""
        views = core.queues(now_ms)
        if self._history.is_due(now_ms):
            self._history.add(views, self._tally.waits_ms, now_ms)
            self._tally.forget_waits()
        return {
            "at_ms": now_ms,
            "leader": self._token,
            "jobs": len(core.jobs),
            "drain_items_per_s": round(sum(view.done_per_s for view in views), 3),
            "queues": [self._queue(view) for view in views],
            "workers": {view.name: {lane: list(cost) for lane, cost in view.costs.items()} for view in core.workers()},
            "batches": [_batch(batch, now_ms) for batch in islice(core.batches.values(), BATCHES_TOLD_MAX)],
            "counts": self._tally.told(),
            "history": {"every_ms": EVERY_MS, "samples": list(self._history.samples)},
        }

    def standings(self, core: Core, now_ms: float) -> Standings:
        """Job id → (images ahead, milliseconds until it ends or None) of each active job."""
        return {at.job_id: (at.position, at.eta_ms) for at in core.standings(now_ms)}

    def _queue(self, view: QueueView) -> dict[str, object]:
        return {
            "name": self._keys.queue_name(view.lane, view.level),
            "pool": view.pool,
            "lane": view.lane,
            "level": view.level,
            "waiting_items": view.waiting,
            "queued_batches": view.queued,
            "running_batches": view.running,
            "oldest_wait_ms": round(view.oldest_ms, 3),
            "arrived_per_s": round(view.arrived_per_s, 3),
            "done_per_s": round(view.done_per_s, 3),
            "capacity_per_s": round(view.capacity_per_s, 3),
        }


def _batch(batch: Batch, now_ms: float) -> dict[str, object]:
    since_ms = batch.claimed_ms if batch.claimed_by else batch.dispatched_ms
    return {
        "id": batch.id,
        "lane": batch.lane,
        "level": batch.level,
        "worker": batch.claimed_by or None,
        "images": batch.size,
        "for_ms": round(max(0.0, now_ms - since_ms), 1),
        "shares": [
            {"job": share.job.id, "client": share.job.client.name, "images": len(share.indexes)}
            for share in batch.shares
        ],
    }
