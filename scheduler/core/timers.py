"""What time alone brings: deadlines that pass, and jobs that age."""

from __future__ import annotations

from heapq import heappop
from math import inf

from scheduler.core.aging import patience_ms
from scheduler.core.decisions import TraceKind
from scheduler.core.jobs import Job
from scheduler.core.state import State


class Timers:
    """Runs what is due."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def run(self) -> None:
        """Expire what is past its deadline, and let age what has waited for too long."""
        state = self._state
        now_ms = state.now_ms
        deadlines = state.deadlines
        while deadlines and deadlines[0][0] <= now_ms:
            job = state.jobs.get(heappop(deadlines)[1])
            if job is not None and job.unstarted:
                state.expire(job)
        if state.aging.any_due(now_ms):
            for job in state.aging.due(now_ms):
                if job.outstanding:
                    self._look_at_age(job)

    def next_ms(self) -> float:
        """When :meth:`run` has something to do next; infinite where nothing is due."""
        state = self._state
        deadlines = state.deadlines
        while deadlines and deadlines[0][1] not in state.jobs:
            heappop(deadlines)
        return min(state.aging.next_ms(), deadlines[0][0] if deadlines else inf)

    def _look_at_age(self, job: Job) -> None:
        state = self._state
        if not job.unstarted:
            return
        pool = state.pools[job.pool]
        due_ms = job.wait_since_ms + patience_ms(pool, job)
        if due_ms > state.now_ms:
            state.aging.look_at(job, due_ms)
            return
        state.aging.watch(job, state.now_ms)
        if not job.aged and not any(batch.level == 0 for batch in job.unclaimed):
            self._age(job)

    def _age(self, job: Job) -> None:
        state = self._state
        pool = state.pool(job.pool)
        waited_ms = state.now_ms - job.wait_since_ms
        if job.alone and not job.waiting.count and not job.unclaimed:
            pool.queue_alone(job, level=0)
        else:
            job.turn_left = state.config.quantum
            pool.move(job, aged=True, level=job.level)
        state.trace(job, TraceKind.AGED, 0, detail={"waited_ms": round(waited_ms, 1)})
