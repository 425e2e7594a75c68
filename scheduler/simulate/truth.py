"""What Redis would hold: jobs, items, batches and leases, moved only along the contract's tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduler.core.decisions import DispatchBatch, PromoteBatch
from tenfold.contract.records import Submission
from tenfold.contract.states import (
    FINAL_ITEM_STATES,
    FINAL_JOB_STATES,
    ITEM_TRANSITIONS,
    JOB_TRANSITIONS,
    ItemEvent,
    ItemState,
    JobEvent,
    JobState,
    move,
)

ALONE_AFTER = 2
FAILED_AFTER = 3


@dataclass(slots=True)
class TrueJob:
    """A job and the state of each of its items, with when it was submitted, first claimed and final.

    Attributes:
        open: more items may be added; until it is closed, it does not end by its items.
    """

    submission: Submission
    items: list[ItemState]
    losses: dict[int, int] = field(default_factory=dict)
    state: JobState = JobState.QUEUED
    started_ms: float = -1.0
    ended_ms: float = -1.0
    done_ms: list[float] = field(default_factory=list)
    open_items: int = 0
    open: bool = False

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_JOB_STATES


@dataclass(slots=True)
class TrueBatch:
    """A batch that waits in RQ, or that ``worker`` holds."""

    id: str
    pool: str
    lane: str
    level: int
    items: list[tuple[str, int]]
    worker: str = ""
    dropped: list[int] = field(default_factory=list)

    def live(self) -> list[int]:
        """The positions that its claim did not drop."""
        return [position for position in range(len(self.items)) if position not in self.dropped]


class Truth:
    """The single source of truth of a simulation.

    Raises:
        IllegalTransition: somebody asked for a move that the tables do not have, such as an item in two batches.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, TrueJob] = {}
        self.batches: dict[str, TrueBatch] = {}

    def accept(self, submission: Submission, rejected: Iterable[int] = ()) -> TrueJob:
        """A client's job is in."""
        count = submission.count
        job = TrueJob(submission, [ItemState.WAITING] * count, open_items=count, open=submission.open)
        self.jobs[submission.job_id] = job
        for index in rejected:
            self._move(job, index, ItemEvent.REJECTED, submission.submitted_ms)
        return job

    def extend(self, job_id: str, count: int, rejected: Iterable[int], now_ms: float) -> int | None:
        """Add items, of which some are ``rejected``, to an open job; the index of the first, None if it is not open."""
        job = self.jobs[job_id]
        if not job.open:
            return None
        first = len(job.items)
        job.items += [ItemState.WAITING] * count
        job.open_items += count
        for index in rejected:
            self._move(job, first + index, ItemEvent.REJECTED, now_ms)
        return first

    def close(self, job_id: str, now_ms: float) -> bool:
        """No more items follow. Whether it was open."""
        job = self.jobs[job_id]
        if not job.open:
            return False
        job.open = False
        self._end_if_over(job, now_ms)
        return True

    def _move(self, job: TrueJob, index: int, event: ItemEvent, now_ms: float) -> None:
        state = job.items[index] = move(ITEM_TRANSITIONS, job.items[index], event)
        if state in FINAL_ITEM_STATES:
            job.open_items -= 1
            if state is ItemState.DONE:
                job.done_ms.append(now_ms)
            self._end_if_over(job, now_ms)

    def _end_if_over(self, job: TrueJob, now_ms: float) -> None:
        if not (job.open_items or job.final or job.open):
            done = ItemState.DONE in job.items
            self._end(job, JobEvent.COMPLETED if done else JobEvent.ALL_FAILED, now_ms)

    def _end(self, job: TrueJob, event: JobEvent, now_ms: float) -> None:
        if event is JobEvent.COMPLETED and job.state is JobState.QUEUED:
            job.state = move(JOB_TRANSITIONS, job.state, JobEvent.CLAIMED)
        job.state = move(JOB_TRANSITIONS, job.state, event)
        job.open = False
        job.ended_ms = now_ms

    def stop(self, job_id: str, event: JobEvent, now_ms: float) -> bool:
        """Cancel or expire a job: what has not started is dropped. Whether it was not final already."""
        job = self.jobs[job_id]
        if job.final:
            return False
        self._end(job, event, now_ms)
        drop = ItemEvent.CANCELED if event is JobEvent.CANCELED else ItemEvent.DEADLINE_PASSED
        for index, state in enumerate(job.items):
            if state in {ItemState.WAITING, ItemState.DISPATCHED}:
                self._move(job, index, drop, now_ms)
        return True

    def dispatch(self, decision: DispatchBatch, now_ms: float) -> TrueBatch:
        """A new batch waits in RQ. Items of final jobs stay in it for the claim to drop."""
        batch = TrueBatch(decision.batch_id, decision.pool, decision.lane, decision.level, list(decision.items))
        assert batch.id not in self.batches, f"{batch.id} was dispatched twice"
        self.batches[batch.id] = batch
        for job_id, index in batch.items:
            job = self.jobs[job_id]
            if not job.final:
                self._move(job, index, ItemEvent.BATCHED, now_ms)
        return batch

    def promote(self, decision: PromoteBatch) -> None:
        """Move a batch to another level's queue, where it still waits."""
        batch = self.batches.get(decision.batch_id)
        if batch is not None and not batch.worker:
            assert batch.level == decision.from_level, f"{batch.id} is at level {batch.level}"
            batch.level = decision.to_level

    def claimable(self, lanes: Iterable[str], levels: Iterable[int]) -> TrueBatch | None:
        """The batch that a worker would take: the highest level first, then the one dispatched first."""
        found = [b for b in self.batches.values() if not b.worker and b.lane in lanes and b.level in levels]
        return min(found, key=lambda batch: (batch.level, batch.id), default=None)

    def claim(self, batch: TrueBatch, worker: str, now_ms: float) -> None:
        """``worker`` takes a batch; what is final is dropped from it."""
        assert not batch.worker, f"{batch.id} was claimed twice"
        batch.worker = worker
        for position, (job_id, index) in enumerate(batch.items):
            job = self.jobs[job_id]
            if job.final or job.items[index] is not ItemState.DISPATCHED:
                batch.dropped.append(position)
                continue
            if job.started_ms < 0.0:
                job.started_ms = now_ms
            job.state = move(JOB_TRANSITIONS, job.state, JobEvent.CLAIMED)
            self._move(job, index, ItemEvent.CLAIMED, now_ms)

    def finish(self, batch: TrueBatch, ran: Iterable[int], now_ms: float) -> list[int]:
        """Commit the positions that ``ran``; the rest wait again. Returns those."""
        committed = set(ran)
        left = []
        for position in batch.live():
            job_id, index = batch.items[position]
            job = self.jobs[job_id]
            if position in committed:
                self._move(job, index, ItemEvent.SUCCEEDED, now_ms)
            elif self._back(job, index, ItemEvent.HANDED_BACK, now_ms):
                left.append(position)
        del self.batches[batch.id]
        return left

    def lose(self, batch: TrueBatch, computing: Iterable[int], now_ms: float) -> tuple[list[int], list[int], list[int]]:
        """The holder died. Returns the positions that wait again, those of them that run alone, and those failed."""
        blamed = set(computing)
        left, alone, failed = [], [], []
        for position in batch.live():
            job_id, index = batch.items[position]
            job = self.jobs[job_id]
            losses = job.losses[index] = job.losses.get(index, 0) + (position in blamed)
            if losses >= FAILED_AFTER:
                self._move(job, index, ItemEvent.ERRED, now_ms)
                failed.append(position)
            elif self._back(job, index, ItemEvent.LEASE_LOST, now_ms):
                left.append(position)
                if losses >= ALONE_AFTER:
                    alone.append(position)
        del self.batches[batch.id]
        return left, alone, failed

    def vanish(self, batch: TrueBatch, now_ms: float) -> list[int]:
        """A batch that nobody claimed is lost from RQ. Returns the positions that wait again."""
        assert not batch.worker, f"{batch.id} is held"
        left = []
        for position, (job_id, index) in enumerate(batch.items):
            job = self.jobs[job_id]
            if not job.final:
                self._move(job, index, ItemEvent.BATCH_DROPPED, now_ms)
                left.append(position)
        del self.batches[batch.id]
        return left

    def _back(self, job: TrueJob, index: int, event: ItemEvent, now_ms: float) -> bool:
        self._move(job, index, event, now_ms)
        if not job.final:
            return True
        drop = ItemEvent.CANCELED if job.state is JobState.CANCELED else ItemEvent.DEADLINE_PASSED
        self._move(job, index, drop, now_ms)
        return False

    def waiting(self, job: TrueJob) -> list[tuple[int, int]]:
        """The ranges of its waiting indexes."""
        ranges: list[tuple[int, int]] = []
        for index, state in enumerate(job.items):
            if state is ItemState.WAITING:
                if ranges and ranges[-1][1] == index:
                    ranges[-1] = (ranges[-1][0], index + 1)
                else:
                    ranges.append((index, index + 1))
        return ranges
