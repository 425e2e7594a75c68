"""What a scheduler that takes the lead is told: the jobs and batches that there are."""

from __future__ import annotations

from collections import deque

from scheduler.core.batch_events import BatchEvents
from scheduler.core.events import BatchRestored, JobRestored
from scheduler.core.jobs import Job
from scheduler.core.ranges import excluding
from scheduler.core.state import State


class Restart:
    """Takes in what there is; nothing is dispatched until all of it was told."""

    __slots__ = ("_batch_events", "_restored", "_state")

    def __init__(self, state: State, batch_events: BatchEvents) -> None:
        self._state = state
        self._batch_events = batch_events
        self._restored: deque[Job] = deque()

    def job(self, event: JobRestored) -> None:
        """A job as the store has it."""
        state = self._state
        submission = event.job
        if submission.job_id in state.jobs:
            return
        state.restoring = True
        alone = sorted(set(event.alone))
        total = submission.count if event.total is None else event.total
        job = state.new_job(submission, excluding(event.waiting, alone), total)
        job.open = event.still_open
        job.alone.extend(alone)
        job.outstanding += len(alone)
        job.done = event.served
        self._sink_restored(job, event.served)
        pool = state.pools[job.pool]
        pool.place(job)
        if alone:
            pool.queue_alone(job, level=pool.level_of(job))
        self._restored.append(job)

    def _sink_restored(self, job: Job, served: int) -> None:
        if not job.urgent:
            while served >= self._state.config.allotment(job.level):
                served -= int(self._state.config.allotment(job.level))
                job.level += 1
            job.spent = served

    def batch(self, event: BatchRestored) -> None:
        """A batch that has not ended, in its queue or held by a worker."""
        state = self._state
        if event.batch_id in state.batches:
            return
        state.restoring = True
        pool = state.pool(event.pool)
        batch = state.batching.restored(pool, event, state.jobs)
        if event.claimed_by:
            self._batch_events.claim(batch, event.claimed_by, frozenset(event.dropped))

    def settle(self) -> None:
        """The restart has told all: a job without any item left is over, unless more may come."""
        state = self._state
        state.restoring = False
        for job in self._restored:
            if not (job.outstanding or job.open) and state.jobs.get(job.id) is job:
                state.finish(job)
        self._restored.clear()
