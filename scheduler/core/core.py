"""The state machine: events and a time in, decisions out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from scheduler.core import views
from scheduler.core.batch_events import BatchEvents
from scheduler.core.config import CoreConfig
from scheduler.core.decisions import Decision
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    BatchRestored,
    CoreEvent,
    JobClosed,
    JobEnded,
    JobExtended,
    JobRestored,
    JobSubmitted,
    TimePassed,
    WorkerJoined,
    WorkerLeft,
)
from scheduler.core.invariants import check_invariants
from scheduler.core.job_events import JobEvents
from scheduler.core.restart import Restart
from scheduler.core.state import State
from scheduler.core.timers import Timers

RESTORING = (JobRestored, BatchRestored, WorkerJoined, WorkerLeft)
"""While a restart tells these, nothing is dispatched."""


class Core:
    """The feedback queue of all pools.

    Events may come late, twice, or about things that are not known: then they change nothing. Time never runs
    backwards: an earlier ``now_ms`` counts as the latest one.

    Attributes:
        config: its settings.
        jobs: every job that has items which are not final, or is open for more, by id.
        batches: every batch that has not ended, by id.
        pools: by name.
    """

    def __init__(self, config: CoreConfig) -> None:
        state = self._state = State(config)
        self.config = config
        self.jobs = state.jobs
        self.batches = state.batches
        self.pools = state.pools
        self._timers = Timers(state)
        self._worker_pools: dict[str, str] = {}
        job_events, batch_events = JobEvents(state), BatchEvents(state)
        self._restart = Restart(state, batch_events)
        self._handlers: dict[type, Callable[[Any], None]] = {
            JobSubmitted: job_events.submitted,
            JobExtended: job_events.extended,
            JobClosed: job_events.closed,
            JobEnded: job_events.ended,
            WorkerJoined: self._worker_joined,
            WorkerLeft: self._worker_left,
            BatchClaimed: batch_events.claimed,
            BatchEnded: batch_events.ended,
            BatchLost: batch_events.lost,
            TimePassed: self._time_passed,
            JobRestored: self._restart.job,
            BatchRestored: self._restart.batch,
        }

    def handle(self, event: CoreEvent, now_ms: float) -> list[Decision]:
        """Take in one event and say what follows from it, and from the time."""
        return self.handle_all((event,), now_ms)

    def handle_all(self, events: Iterable[CoreEvent], now_ms: float) -> list[Decision]:
        """Take in events that were read together: what they bring can share batches."""
        state = self._state
        batching = state.batching
        out: list[Decision] = []
        batching.out = out
        batching.now_ms = state.now_ms = max(state.now_ms, now_ms)
        for event in events:
            if state.restoring and not isinstance(event, RESTORING):
                self._restart.settle()
            self._handlers[type(event)](event)
        if not state.restoring:
            self._timers.run()
            touched = state.touched
            if touched:
                for pool in touched.values():
                    batching.plan(pool)
                touched.clear()
        return out

    def next_wakeup_ms(self) -> float | None:
        """When :class:`TimePassed` is due, or None where time alone changes nothing."""
        if self.restoring:
            return self.now_ms
        due_ms = min(self._timers.next_ms(), min((pool.tick_ms for pool in self.pools.values()), default=inf))
        return None if due_ms == inf else due_ms

    def check_invariants(self) -> None:
        """Raise AssertionError where the state contradicts itself. O(everything)."""
        check_invariants(self._state)

    @property
    def now_ms(self) -> float:
        """The latest time that was told."""
        return self._state.now_ms

    @property
    def restoring(self) -> bool:
        """Whether a restart is still telling what there is."""
        return self._state.restoring

    def standing(self, job_id: str, now_ms: float) -> views.Standing | None:
        """Where an active job stands; None where it is not active."""
        job = self.jobs.get(job_id)
        return None if job is None else views.Places(self.pools[job.pool], now_ms).standing(job)

    def standings(self, now_ms: float) -> list[views.Standing]:
        """Where each active job stands, in the order of their entry."""
        places = {name: views.Places(pool, now_ms) for name, pool in self.pools.items()}
        return [places[job.pool].standing(job) for job in self.jobs.values()]

    def queues(self, now_ms: float) -> list[views.QueueView]:
        """Depth, age and rates for each pool, lane and level."""
        return [view for pool in self.pools.values() for view in views.queues(pool, now_ms)]

    def workers(self) -> list[views.WorkerView]:
        """The live workers and what they hold."""
        return [view for pool in self.pools.values() for view in views.workers(pool)]

    def worker_names(self) -> frozenset[str]:
        """The live workers."""
        return frozenset(self._worker_pools)

    def _worker_joined(self, event: WorkerJoined) -> None:
        worker = event.worker
        before = self._worker_pools.get(worker.name)
        if before is not None and before != worker.pool:
            self._state.pool(before).worker_left(worker.name)
        self._worker_pools[worker.name] = worker.pool
        self._state.pool(worker.pool).worker_joined(worker)

    def _worker_left(self, event: WorkerLeft) -> None:
        name = self._worker_pools.pop(event.name, None)
        if name is not None:
            pool = self._state.pool(name)
            pool.worker_left(event.name)
            pool.forget_worker(event.name)

    def _time_passed(self, _event: TimePassed) -> None:
        for name in self.pools:
            self._state.pool(name)
