"""The state machine: events and a time in, decisions out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from math import inf
from typing import Any

from scheduler.core import views
from scheduler.core.aging import Aging, patience_ms
from scheduler.core.batching import Batching
from scheduler.core.config import CoreConfig
from scheduler.core.decisions import Decision, Detail, ExpireJob, Trace, TraceKind
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
from scheduler.core.jobs import Batch, Job, Share
from scheduler.core.meter import Meter
from scheduler.core.pool import Pool
from scheduler.core.ranges import Range, Ranges, excluding, without
from tenfold.contract.records import Priority, Submission

ENDED_MAX = 65_536
"""Ids of ended jobs that are remembered, so that a late or doubled submission revives nothing."""

NOTHING: frozenset[int] = frozenset()

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
        self.config = config
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Pool] = {}
        self._batching = Batching(config)
        self.batches = self._batching.batches
        self._aging = Aging(config.boost_after_ms)
        self._deadlines: list[tuple[float, str]] = []
        self._ended: dict[str, None] = {}
        self._touched: dict[str, Pool] = {}
        self._worker_pools: dict[str, str] = {}
        self._restoring = False
        self._restored: deque[Job] = deque()
        self._now_ms = 0.0
        self._handlers: dict[type, Callable[[Any], None]] = {
            JobSubmitted: self._job_submitted,
            JobExtended: self._job_extended,
            JobClosed: self._job_closed,
            JobEnded: self._job_ended,
            WorkerJoined: self._worker_joined,
            WorkerLeft: self._worker_left,
            BatchClaimed: self._batch_claimed,
            BatchEnded: self._batch_ended,
            BatchLost: self._batch_lost,
            TimePassed: self._time_passed,
            JobRestored: self._job_restored,
            BatchRestored: self._batch_restored,
        }

    def handle(self, event: CoreEvent, now_ms: float) -> list[Decision]:
        """Take in one event and say what follows from it, and from the time."""
        return self.handle_all((event,), now_ms)

    def handle_all(self, events: Iterable[CoreEvent], now_ms: float) -> list[Decision]:
        """Take in events that were read together: what they bring can share batches."""
        now_ms = self._now_ms = max(self._now_ms, now_ms)
        out: list[Decision] = []
        self._batching.out = out
        self._batching.now_ms = now_ms
        for event in events:
            if self._restoring and not isinstance(event, RESTORING):
                self._settle()
            self._handlers[type(event)](event)
        if not self._restoring:
            self._run_timers()
            touched = self._touched
            if touched:
                for pool in touched.values():
                    self._batching.plan(pool)
                touched.clear()
        return out

    def next_wakeup_ms(self) -> float | None:
        """When :class:`TimePassed` is due, or None where time alone changes nothing."""
        if self._restoring:
            return self._now_ms
        due_ms = self._aging.next_ms()
        deadlines = self._deadlines
        while deadlines and deadlines[0][1] not in self.jobs:
            heappop(deadlines)
        if deadlines:
            due_ms = min(due_ms, deadlines[0][0])
        for pool in self.pools.values():
            due_ms = min(due_ms, pool.tick_ms)
        return None if due_ms == inf else due_ms

    def check_invariants(self) -> None:
        """Raise AssertionError where the state contradicts itself. O(everything)."""
        check_invariants(self)

    @property
    def restoring(self) -> bool:
        """Whether a restart is still telling what there is."""
        return self._restoring

    # -- what can be seen -------------------------------------------------------------------------------------------

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

    # -- jobs -------------------------------------------------------------------------------------------------------

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, self.config)
        self._touched[name] = pool
        return pool

    def _job_submitted(self, event: JobSubmitted) -> None:
        submission = event.job
        name = submission.job_id
        if name in self.jobs or name in self._ended:
            return
        rejected = event.rejected
        ranges = without(submission.count, rejected) if rejected else [(0, submission.count)]
        job = self._new_job(submission, ranges, submission.count)
        if not job.outstanding and not job.open:
            self._finish(job)
            return
        self.pools[job.pool].place(job)
        detail: Detail = {"images": job.count}
        if job.open:
            detail["open"] = 1
        self._arrived(job, job.outstanding, TraceKind.ENTERED, detail)

    def _arrived(self, job: Job, items: int, kind: TraceKind, detail: Detail) -> None:
        pool = self.pools[job.pool]
        level = pool.level_of(job)
        if items:
            key = (job.lane, level)
            pool.last_arrival_ms[key] = self._now_ms
            _meter(pool.arrived, key).add(items, self._now_ms)
        self._trace(job, kind, level, detail=detail)

    def _job_extended(self, event: JobExtended) -> None:
        """More items of a job that is known. The stream keeps their order, so a gap is an entry that nobody could read.

        What stood there exists, or ``first`` would be another, and is served with the rest.
        """
        job = self.jobs.get(event.job_id)
        if job is None or not job.open or event.first < job.count:
            return
        known = job.count
        job.grow(event.first + event.count, self._now_ms)
        added = job.count - known
        ranges = [
            (known + start, known + stop) for start, stop in without(added, [index - known for index in event.rejected])
        ]
        items = sum(stop - start for start, stop in ranges)
        level = self._level_grown(job)
        if items:
            self._add_items(job, ranges, items, level)
        elif level != job.level:
            self._pool(job.pool).move(job, aged=job.aged, level=level)
        self._arrived(job, items, TraceKind.EXTENDED, {"images": added, "total": job.count})
        if job.unstarted and job.deadline_ms is not None and job.deadline_ms <= self._now_ms:
            self._expire(job)

    def _level_grown(self, job: Job) -> int:
        """The level of a job of the size that ``job`` has now; its allotment there is whole where that is another."""
        if job.urgent or job.low:
            return job.level
        level = max(job.level, self.config.entry_level(Priority.NORMAL, job.count))
        if level == job.level and job.spent >= self.config.allotment(level):
            level += 1
        if level != job.level:
            job.spent = 0
        return level

    def _add_items(self, job: Job, ranges: list[Range], items: int, level: int) -> None:
        if not job.unstarted:
            job.wait_since_ms = self._now_ms
            job.turn_ms = 0.0
            if not job.urgent:
                self._aging.watch(job, self._now_ms)
        job.outstanding += items
        self._pool(job.pool).extend(job, ranges, level=level)

    def _job_closed(self, event: JobClosed) -> None:
        job = self.jobs.get(event.job_id)
        if job is None or not job.open:
            return
        job.open = False
        detail: Detail = {"images": job.count}
        if event.why:
            detail["why"] = event.why
        self._trace(job, TraceKind.CLOSED, self._pool(job.pool).level_of(job), detail=detail)
        if not job.outstanding:
            self._finish(job)

    def _new_job(self, submission: Submission, ranges: Iterable[Range], count: int) -> Job:
        pool = self._pool(submission.pool)
        client = pool.client(submission.client)
        level = self.config.entry_level(submission.priority, count)
        job = Job(submission, client, level, Ranges(ranges), self._now_ms)
        job.count = count
        self.jobs[job.id] = job
        client.jobs += 1
        if not job.urgent:
            self._aging.watch(job, self._now_ms)
        if job.deadline_ms is not None:
            heappush(self._deadlines, (job.deadline_ms, job.id))
        return job

    def _job_ended(self, event: JobEnded) -> None:
        job = self.jobs.get(event.job_id)
        if job is None:
            self._remember_ended(event.job_id)
        else:
            self._end(job)

    def _end(self, job: Job) -> None:
        """``job`` is final: what waits is dropped; what is in batches is dropped when they are claimed."""
        pool = self._pool(job.pool)
        pool.remove(job)
        job.waiting.clear()
        job.alone.clear()
        self._finish(job)

    def _finish(self, job: Job) -> None:
        del self.jobs[job.id]
        job.outstanding = 0
        job.check_ms = inf
        client = job.client
        client.jobs -= 1
        if not client.jobs:
            self.pools[job.pool].time.parted(client)
        self._remember_ended(job.id)

    def _remember_ended(self, job_id: str) -> None:
        self._ended[job_id] = None
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    # -- workers ----------------------------------------------------------------------------------------------------

    def _worker_joined(self, event: WorkerJoined) -> None:
        worker = event.worker
        before = self._worker_pools.get(worker.name)
        if before is not None and before != worker.pool:
            self._pool(before).worker_left(worker.name)
        self._worker_pools[worker.name] = worker.pool
        self._pool(worker.pool).worker_joined(worker)

    def _worker_left(self, event: WorkerLeft) -> None:
        name = self._worker_pools.pop(event.name, None)
        if name is not None:
            pool = self._pool(name)
            pool.worker_left(event.name)
            pool.forget_worker(event.name)

    # -- batches ----------------------------------------------------------------------------------------------------

    def _batch_claimed(self, event: BatchClaimed) -> None:
        batch = self.batches.get(event.batch_id)
        if batch is None or batch.claimed_by:
            return
        self._claim(batch, event.worker, frozenset(event.dropped) if event.dropped else NOTHING)
        now_ms = self._now_ms
        for share in batch.shares:
            job = share.job
            if batch.dropped and batch.dropped.issuperset(range(share.start, share.start + len(share.indexes))):
                continue
            job.wait_since_ms = now_ms
            job.turn_ms = 0.0
            if job.check_ms > now_ms + self.config.boost_after_ms and job.unstarted and not job.urgent:
                self._aging.look_at(job, now_ms + patience_ms(self.pools[batch.pool], job))
            if job.started_ms < 0.0:
                job.started_ms = now_ms
            if job.aged and job.queue is not None:
                self._batching.go_home(self.pools[job.pool], job)

    def _claim(self, batch: Batch, worker: str, dropped: frozenset[int]) -> None:
        pool = self._pool(batch.pool)
        pool.unqueue(batch)
        pool.credits.takes(worker, batch.id, batch.lane, batch.level)
        batch.claimed_by = worker
        batch.claimed_ms = self._now_ms
        if dropped:
            batch.dropped = dropped
            for share in batch.shares:
                gone = sum(share.start + offset in dropped for offset in range(len(share.indexes)))
                pool.charge(share.job.client, -share.item_ms * gone)
                self._settle_items(share.job, gone)

    def _settle_items(self, job: Job, items: int) -> None:
        """``items`` of ``job`` are final."""
        if items and job.outstanding:
            job.outstanding -= items
            if not job.outstanding and not job.open:
                self._finish(job)

    def _batch_ended(self, event: BatchEnded) -> None:
        batch = self._forget_batch(event.batch_id)
        if batch is None:
            return
        pool = self.pools[batch.pool]
        pieces = event.pieces
        item_ms = -1.0
        if pieces:
            pool.learn(batch.lane, event.worker, pieces)
            images = sum([piece[0] for piece in pieces])
            if images:
                spent_ms = sum([piece[1] for piece in pieces])
                item_ms = spent_ms / images
                pool.spent(batch.lane, batch.level, images, spent_ms, self._now_ms)
        left = frozenset(event.left) if event.left else NOTHING
        ran = self._account(pool, batch, item_ms, left)
        _meter(pool.done, (batch.lane, batch.level)).add(ran, self._now_ms)
        if left:
            self._take_back(pool, batch, left, TraceKind.HANDED_BACK, str(event.reason))
        if pieces and len(left) < batch.size:
            self._note_last_start(batch, left, pieces[-1][1])

    def _forget_batch(self, batch_id: str) -> Batch | None:
        batch = self.batches.pop(batch_id, None)
        if batch is None:
            return None
        pool = self._pool(batch.pool)
        if batch.claimed_by:
            pool.credits.puts_down(batch.claimed_by, batch.id)
        else:
            pool.unqueue(batch)
        return batch

    def _account(self, pool: Pool, batch: Batch, item_ms: float, left: frozenset[int]) -> int:
        """Charge what ran at its real price, if known, and count it as done; how many items ran."""
        total = 0
        for share in batch.shares:
            ran = len(share.indexes)
            if left or batch.dropped:
                ran = sum(1 for position in _positions(share) if position not in left and position not in batch.dropped)
            if not ran:
                continue
            job = share.job
            total += ran
            if item_ms >= 0.0:
                pool.charge(job.client, (item_ms - share.item_ms) * ran)
            job.done += ran
            job.ended_ms = self._now_ms
            if job.outstanding > ran:
                job.outstanding -= ran
            else:
                self._settle_items(job, ran)
        return total

    def _note_last_start(self, batch: Batch, left: frozenset[int], piece_ms: float) -> None:
        """The last piece began that long ago: until then its job was being served."""
        for share in reversed(batch.shares):
            if any(position not in left and position not in batch.dropped for position in _positions(share)):
                share.job.wait_since_ms = max(share.job.wait_since_ms, self._now_ms - piece_ms)
                return

    def _batch_lost(self, event: BatchLost) -> None:
        batch = self._forget_batch(event.batch_id)
        if batch is None:
            return
        pool = self.pools[batch.pool]
        left = frozenset(event.left)
        for share in batch.shares:
            final = sum(1 for position in _positions(share) if position not in left and position not in batch.dropped)
            self._settle_items(share.job, final)
        if left:
            self._single_out(pool, batch, left.intersection(event.alone))
            self._take_back(pool, batch, left.difference(event.alone), TraceKind.RETRIED, "a worker was lost")

    def _take_back(self, pool: Pool, batch: Batch, left: frozenset[int], kind: TraceKind, why: str) -> None:
        """The positions ``left`` wait again, at the head of their jobs."""
        returned: list[tuple[Share, list[int]]] = []
        for share in batch.shares:
            indexes = [
                index
                for position, index in enumerate(share.indexes, share.start)
                if position in left and position not in batch.dropped
            ]
            if indexes and share.job.outstanding:
                returned.append((share, indexes))
        pool.return_shares(returned)
        for share, indexes in returned:
            self._wait_again(share.job, kind, batch, {"items": len(indexes), "why": why})

    def _single_out(self, pool: Pool, batch: Batch, alone: frozenset[int]) -> None:
        for share in batch.shares:
            job = share.job
            indexes = [
                index
                for position, index in enumerate(share.indexes, share.start)
                if position in alone and position not in batch.dropped
            ]
            if indexes and job.outstanding:
                pool.charge(job.client, -share.item_ms * len(indexes))
                job.alone.extend(indexes)
                pool.queue_alone(job, level=0 if share.aged else pool.level_of(job))
                self._wait_again(
                    job, TraceKind.RETRIED, batch, {"items": len(indexes), "why": "runs alone from now on"}
                )

    def _wait_again(self, job: Job, kind: TraceKind, batch: Batch, detail: dict[str, str | int | float]) -> None:
        self._trace(job, kind, self.pools[job.pool].level_of(job), batch.id, detail)
        if not job.urgent:
            self._aging.look_at(job, max(self._now_ms, job.wait_since_ms + self.config.boost_after_ms))
        if job.deadline_ms is not None and job.deadline_ms <= self._now_ms:
            self._expire(job)

    # -- time -------------------------------------------------------------------------------------------------------

    def _time_passed(self, event: TimePassed) -> None:  # noqa: ARG002  # a handler is given its event
        for name in self.pools:
            self._pool(name)

    def _run_timers(self) -> None:
        now_ms = self._now_ms
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_ms:
            job = self.jobs.get(heappop(deadlines)[1])
            if job is not None and job.unstarted:
                self._expire(job)
        if self._aging.any_due(now_ms):
            for job in self._aging.due(now_ms):
                if job.outstanding:
                    self._look_at_age(job)

    def _expire(self, job: Job) -> None:
        if job.id in self.jobs:
            self._batching.out.append(ExpireJob(job.id))
            self._end(job)

    def _look_at_age(self, job: Job) -> None:
        if not job.unstarted:
            return
        pool = self.pools[job.pool]
        due_ms = job.wait_since_ms + patience_ms(pool, job)
        if due_ms > self._now_ms:
            self._aging.look_at(job, due_ms)
            return
        self._aging.watch(job, self._now_ms)
        if not job.aged and not any(batch.level == 0 for batch in job.unclaimed):
            self._age(job)

    def _age(self, job: Job) -> None:
        pool = self._pool(job.pool)
        waited_ms = self._now_ms - job.wait_since_ms
        if job.alone and not job.waiting.count and not job.unclaimed:
            pool.queue_alone(job, level=0)
        else:
            job.turn_left = self.config.quantum
            pool.move(job, aged=True, level=job.level)
        self._trace(job, TraceKind.AGED, 0, detail={"waited_ms": round(waited_ms, 1)})

    # -- restart ----------------------------------------------------------------------------------------------------

    def _job_restored(self, event: JobRestored) -> None:
        submission = event.job
        if submission.job_id in self.jobs:
            return
        self._restoring = True
        alone = sorted(set(event.alone))
        total = submission.count if event.total is None else event.total
        job = self._new_job(submission, excluding(event.waiting, alone), total)
        job.open = event.still_open
        job.alone.extend(alone)
        job.outstanding += len(alone)
        job.done = event.served
        self._sink_restored(job, event.served)
        pool = self.pools[job.pool]
        pool.place(job)
        if alone:
            pool.queue_alone(job, level=pool.level_of(job))
        self._restored.append(job)

    def _sink_restored(self, job: Job, served: int) -> None:
        if not job.urgent:
            while served >= self.config.allotment(job.level):
                served -= int(self.config.allotment(job.level))
                job.level += 1
            job.spent = served

    def _batch_restored(self, event: BatchRestored) -> None:
        if event.batch_id in self.batches:
            return
        self._restoring = True
        pool = self._pool(event.pool)
        batch = self._batching.restored(pool, event, self.jobs)
        if event.claimed_by:
            self._claim(batch, event.claimed_by, frozenset(event.dropped))

    def _settle(self) -> None:
        """The restart has told all: a job without any item left is over, unless more may come."""
        self._restoring = False
        for job in self._restored:
            if not (job.outstanding or job.open) and self.jobs.get(job.id) is job:
                self._finish(job)
        self._restored.clear()

    def _trace(
        self,
        job: Job,
        kind: TraceKind,
        level: int,
        batch_id: str = "",
        detail: dict[str, str | int | float] | None = None,
    ) -> None:
        self._batching.out.append(Trace(job.id, kind, level, self._now_ms, batch_id, detail or {}))


def _positions(share: Share) -> range:
    return range(share.start, share.start + len(share.indexes))


def _meter(meters: dict[tuple[str, int], Meter], key: tuple[str, int]) -> Meter:
    meter = meters.get(key)
    if meter is None:
        meter = meters[key] = Meter()
    return meter
