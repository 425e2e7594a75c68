"""Carries out what the core decided: each decision becomes its verb in Redis, those of one step together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

import msgspec

from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, PromoteBatch, Trace
from scheduler.core.events import CoreEvent, JobRestored, JobSubmitted
from scheduler.dispatch import Dispatcher
from tenfold.contract.records import BatchRecord, JobShare, Submission
from tenfold.store.scheduler_store import JobTrace, SchedulerStore

_encoder = msgspec.json.Encoder()


class Carrier:
    """Turns decisions into verbs. It remembers each job as submitted, since decisions name only ids."""

    def __init__(self, store: SchedulerStore, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._submissions: dict[str, Submission] = {}

    def note(self, events: Iterable[CoreEvent]) -> None:
        """Remember the jobs that ``events`` bring."""
        for event in events:
            if isinstance(event, JobSubmitted | JobRestored):
                self._submissions[event.job.job_id] = event.job

    def forget(self, active: Container[str]) -> None:
        """Forget the jobs that are not ``active`` any more."""
        self._submissions = {job_id: job for job_id, job in self._submissions.items() if job_id in active}

    def carry_out(self, token: str, decisions: Sequence[Decision]) -> None:
        """Do all of ``decisions``, batches first: they are what somebody waits for.

        Raises:
            LeadershipLost: another scheduler leads; what was left undone, it will decide itself.
        """
        batches = [self._record(decision) for decision in decisions if isinstance(decision, DispatchBatch)]
        traces = _traces(decisions)
        if batches:
            self._dispatcher.dispatch(token, batches, traces)
        for decision in decisions:
            if isinstance(decision, PromoteBatch):
                self._promote(token, decision)
            elif isinstance(decision, ExpireJob):
                self._store.expire(token, decision.job_id)
        if traces and not batches:
            self._store.trace(traces)

    def _record(self, decision: DispatchBatch) -> BatchRecord:
        jobs = {job_id: self._submissions[job_id] for job_id, _ in decision.items}
        first = next(iter(jobs.values()))
        return BatchRecord(
            id=decision.batch_id,
            pool=decision.pool,
            lane=decision.lane,
            model=first.model,
            size=first.size,
            level=decision.level,
            items=decision.items,
            jobs={job_id: _share(job) for job_id, job in jobs.items()},
        )

    def _promote(self, token: str, decision: PromoteBatch) -> None:
        # False means that a worker was faster; its claim is on the stream already.
        self._store.promote(
            token,
            decision.batch_id,
            lane=decision.lane,
            from_level=decision.from_level,
            to_level=decision.to_level,
        )


def _share(job: Submission) -> JobShare:
    return JobShare(job.options, job.submitted_ms, job.deadline_ms, job.traceparent)


def _traces(decisions: Iterable[Decision]) -> dict[str, JobTrace]:
    traces: dict[str, JobTrace] = defaultdict(JobTrace)
    for decision in decisions:
        if isinstance(decision, Trace):
            trace = traces[decision.job_id]
            trace.level = decision.level
            trace.entries.append(_encoder.encode(decision))
    return traces
