"""What happens to jobs: they are submitted, grow, are closed and end."""

from __future__ import annotations

from scheduler.core.decisions import Detail, TraceKind
from scheduler.core.events import JobClosed, JobEnded, JobExtended, JobSubmitted
from scheduler.core.jobs import Job
from scheduler.core.meter import meter_of
from scheduler.core.ranges import Range, without
from scheduler.core.state import State
from tenfold.contract.records import Priority


class JobEvents:
    """Takes in what the gateways did with jobs."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def submitted(self, event: JobSubmitted) -> None:
        """A job that is not known yet enters at its level; one whose every image was refused is over at once."""
        state = self._state
        submission = event.job
        name = submission.job_id
        if state.is_known(name):
            return
        rejected = event.rejected
        ranges = without(submission.count, rejected) if rejected else [(0, submission.count)]
        job = state.new_job(submission, ranges, submission.count)
        if not job.outstanding and not job.open:
            state.finish(job)
            return
        state.pools[job.pool].place(job)
        detail: Detail = {"images": job.count}
        if job.open:
            detail["open"] = 1
        self._arrived(job, job.outstanding, TraceKind.ENTERED, detail)

    def _arrived(self, job: Job, items: int, kind: TraceKind, detail: Detail) -> None:
        state = self._state
        pool = state.pools[job.pool]
        level = pool.level_of(job)
        if items:
            key = (job.lane, level)
            pool.last_arrival_ms[key] = state.now_ms
            meter_of(pool.arrived, key).add(items, state.now_ms)
        state.trace(job, kind, level, detail=detail)

    def extended(self, event: JobExtended) -> None:
        """More items of a job that is known. The stream keeps their order, so a gap is an entry that nobody could read.

        What stood there exists, or ``first`` would be another, and is served with the rest.
        """
        state = self._state
        job = state.jobs.get(event.job_id)
        if job is None or not job.open or event.first < job.count:
            return
        known = job.count
        job.grow(event.first + event.count, state.now_ms)
        added = job.count - known
        ranges = [
            (known + start, known + stop) for start, stop in without(added, [index - known for index in event.rejected])
        ]
        items = sum(stop - start for start, stop in ranges)
        level = self._level_grown(job)
        if items:
            self._add_items(job, ranges, items, level)
        elif level != job.level:
            state.pool(job.pool).move(job, aged=job.aged, level=level)
        self._arrived(job, items, TraceKind.EXTENDED, {"images": added, "total": job.count})
        if job.unstarted and job.deadline_ms is not None and job.deadline_ms <= state.now_ms:
            state.expire(job)

    def _level_grown(self, job: Job) -> int:
        """The level of a job of the size that ``job`` has now; its allotment there is whole where that is another."""
        if job.urgent or job.low:
            return job.level
        level = max(job.level, self._state.config.entry_level(Priority.NORMAL, job.count))
        if level == job.level and job.spent >= self._state.config.allotment(level):
            level += 1
        if level != job.level:
            job.spent = 0
        return level

    def _add_items(self, job: Job, ranges: list[Range], items: int, level: int) -> None:
        state = self._state
        if not job.unstarted:
            job.wait_since_ms = state.now_ms
            job.turn_ms = 0.0
            if not job.urgent:
                state.aging.watch(job, state.now_ms)
        job.outstanding += items
        state.pool(job.pool).extend(job, ranges, level=level)

    def closed(self, event: JobClosed) -> None:
        """Nothing more is added to an open job; it is over once it has no item left."""
        state = self._state
        job = state.jobs.get(event.job_id)
        if job is None or not job.open:
            return
        job.open = False
        detail: Detail = {"images": job.count}
        if event.why:
            detail["why"] = event.why
        state.trace(job, TraceKind.CLOSED, state.pool(job.pool).level_of(job), detail=detail)
        if not job.outstanding:
            state.finish(job)

    def ended(self, event: JobEnded) -> None:
        """A job was canceled or is final for another reason; of an unknown one, a late submission will not count."""
        state = self._state
        job = state.jobs.get(event.job_id)
        if job is None:
            state.remember_ended(event.job_id)
        else:
            state.end(job)
