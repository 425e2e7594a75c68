"""What the scheduler tells of itself twice a second: for ``/v1/queues``, ``Retry-After`` and each job's place."""

from __future__ import annotations

from scheduler.core.core import Core
from scheduler.core.views import QueueView
from tenfold.store.keys import Keys

Standings = dict[str, tuple[int, float | None]]


class Status:
    """Turns the core's views into what is published."""

    def __init__(self, token: str, keys: Keys) -> None:
        self._token = token
        self._keys = keys

    def queues(self, core: Core, now_ms: float) -> dict[str, object]:
        """Depth, age and rates for each lane and level, and how fast all of it drains, images a second."""
        views = core.queues(now_ms)
        return {
            "at_ms": now_ms,
            "leader": self._token,
            "jobs": len(core.jobs),
            "drain_items_per_s": round(sum(view.done_per_s for view in views), 3),
            "queues": [self._queue(view) for view in views],
            "workers": {view.name: {lane: list(cost) for lane, cost in view.costs.items()} for view in core.workers()},
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
