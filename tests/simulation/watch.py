"""What must be true of every decision, checked from the outside: by what the core was told and what it said.

Every check has a name; a violation is a :class:`Broken` that carries it, so that a planted fault can be seen to be
caught by the check that is there for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scheduler.core import Core
from scheduler.core.aging import patience_ms
from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, PromoteBatch, Trace, TraceKind
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
    WorkerJoined,
    WorkerLeft,
)
from scheduler.core.jobs import Job
from tenfold.contract.records import Submission, WorkerInfo

EPSILON_MS = 1e-6


class Broken(AssertionError):
    """A check failed. ``check`` is its name."""

    def __init__(self, check: str, what: str) -> None:
        super().__init__(f"[{check}] {what}")
        self.check = check


def require(holds: bool, check: str, what: Callable[[], str] | str) -> None:
    """Raise :class:`Broken` unless ``holds``."""
    if not holds:
        raise Broken(check, what if isinstance(what, str) else what())


@dataclass(slots=True)
class SeenBatch:
    """A batch as the core must know it."""

    lane: str
    level: int
    items: list[tuple[str, int]]
    claimed_by: str = ""
    dropped: Sequence[int] = ()


@dataclass(slots=True)
class Wait:
    """How long a job has gone without a start, and how long it may."""

    since_ms: float
    patience_ms: float = 0.0
    aged_ms: float = -1.0
    idle: bool = False


@dataclass(slots=True)
class Watch:
    """Follows one core.

    Attributes:
        core: whom it follows; its insides are looked at only for what no message tells (who waits where).
        prompt: messages arrive at once, so that waits can be held against their bounds.
    """

    core: Core
    prompt: bool = True
    deep: bool = True
    workers: dict[str, WorkerInfo] = field(default_factory=dict)
    batches: dict[str, SeenBatch] = field(default_factory=dict)
    jobs: dict[str, Submission] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    alone: set[tuple[str, int]] = field(default_factory=set)
    dispatched: dict[str, int] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def __call__(self, event: CoreEvent, decisions: list[Decision]) -> None:
        """Check what the core said to ``event``."""
        now_ms = self.core.now_ms
        self._note(event, now_ms)
        for decision in decisions:
            if isinstance(decision, DispatchBatch):
                self._dispatched(decision)
            elif isinstance(decision, PromoteBatch):
                self._promoted(decision)
            elif isinstance(decision, ExpireJob):
                self._expired(decision, now_ms)
            elif isinstance(decision, Trace):
                self._traced(decision, now_ms)
        if self.deep:
            self._invariants()
        self._open_jobs_stay()
        self._nothing_left_lying(now_ms)
        if self.prompt:
            self._waits(now_ms)

    # -- what the core was told --------------------------------------------------------------------------------------

    def _note(self, event: CoreEvent, now_ms: float) -> None:
        match event:
            case JobSubmitted() | JobRestored() | JobExtended() | JobClosed() | JobEnded():
                self._note_job(event, now_ms)
            case BatchRestored():
                self.batches[event.batch_id] = SeenBatch(
                    event.lane, event.level, list(event.items), event.claimed_by or "", event.dropped
                )
            case WorkerJoined(worker=worker):
                self.workers[worker.name] = worker
            case WorkerLeft(name=name):
                self.workers.pop(name, None)
            case BatchClaimed(batch_id=batch_id) if batch_id in self.batches:
                self._claimed(event, now_ms)
            case BatchEnded() | BatchLost() if event.batch_id in self.batches:
                self._over(event, now_ms)
            case _:
                pass

    def _note_job(self, event: CoreEvent, now_ms: float) -> None:
        match event:
            case JobSubmitted(job=job) if job.job_id not in self.ended and job.job_id not in self.waits:
                self._enter(job, now_ms, job.count, is_open=job.open)
            case JobRestored(job=job):
                total = job.count if event.total is None else event.total
                self._enter(job, now_ms, total, is_open=event.still_open)
                self.dispatched[job.job_id] = total
                self.alone |= {(job.job_id, index) for index in event.alone}
            case JobExtended(job_id=job_id) if job_id in self.open and event.first >= self.totals[job_id]:
                self.totals[job_id] = event.first + event.count
                if self.waits[job_id].idle:
                    self.waits[job_id] = Wait(now_ms)
            case JobClosed(job_id=job_id):
                self.open.discard(job_id)
            case JobEnded(job_id=job_id):
                self._end(job_id)
            case _:
                pass

    def _enter(self, job: Submission, now_ms: float, total: int, *, is_open: bool) -> None:
        self.jobs[job.job_id] = job
        self.waits[job.job_id] = Wait(now_ms)
        self.totals[job.job_id] = total
        if is_open:
            self.open.add(job.job_id)

    def _end(self, job_id: str) -> None:
        self.ended.add(job_id)
        self.open.discard(job_id)

    def _claimed(self, event: BatchClaimed, now_ms: float) -> None:
        batch = self.batches[event.batch_id]
        if batch.claimed_by:
            return
        batch.claimed_by = event.worker
        batch.dropped = event.dropped
        for position, (job_id, _) in enumerate(batch.items):
            if position not in event.dropped:
                self.waits[job_id] = Wait(now_ms)

    def _over(self, event: BatchEnded | BatchLost, now_ms: float) -> None:
        batch = self.batches.pop(event.batch_id)
        if isinstance(event, BatchLost):
            self.alone |= {batch.items[position] for position in event.alone}
        not_run = {*event.left, *batch.dropped}
        ran = [item for position, item in enumerate(batch.items) if position not in not_run]
        if isinstance(event, BatchEnded) and event.pieces and ran and ran[-1][0] in self.waits:
            wait = self.waits[ran[-1][0]]
            wait.since_ms = max(wait.since_ms, now_ms - event.pieces[-1][1])

    # -- what the core said ------------------------------------------------------------------------------------------

    def _dispatched(self, batch: DispatchBatch) -> None:
        size = len(batch.items)
        require(1 <= size <= self.core.config.batch_size, "batch size", f"{batch.batch_id} has {size} items")
        for job_id, index in batch.items:
            require(job_id not in self.ended, "final is final", f"{job_id} ended and is dispatched")
            job = self.jobs[job_id]
            require(job.lane == batch.lane, "one lane", f"{job_id} is of {job.lane}, not {batch.lane}")
            require(index < self.totals[job_id], "there", f"({job_id}, {index}) is dispatched and does not exist")
            require((job_id, index) not in self.alone or size == 1, "alone", f"({job_id}, {index}) is not alone")
            last = self.dispatched.get(job_id, -1)
            self.dispatched[job_id] = max(last, index)
        for job_id in {job_id for job_id, _ in batch.items}:
            self._in_order(job_id, [index for of, index in batch.items if of == job_id])
        self._has_credit(batch.lane, batch.level)
        if size < self.core.config.batch_size:
            self._may_be_partial(batch)
        self.batches[batch.batch_id] = SeenBatch(batch.lane, batch.level, list(batch.items))

    @staticmethod
    def _in_order(job_id: str, indexes: list[int]) -> None:
        require(len(set(indexes)) == len(indexes), "once", f"{job_id}: {indexes}")

    def _promoted(self, decision: PromoteBatch) -> None:
        batch = self.batches[decision.batch_id]
        require(batch.level == decision.from_level > decision.to_level, "promotion", f"{decision}")
        self._has_credit(batch.lane, decision.to_level)
        batch.level = decision.to_level

    def _expired(self, decision: ExpireJob, now_ms: float) -> None:
        deadline = self.jobs[decision.job_id].deadline_ms
        require(deadline is not None and deadline <= now_ms, "deadline", f"{decision.job_id} expired early")
        self._end(decision.job_id)

    def _traced(self, trace: Trace, now_ms: float) -> None:
        require(trace.at_ms == now_ms, "trace", "a trace of another time")
        if trace.kind is TraceKind.AGED and trace.job_id in self.waits:
            self.waits[trace.job_id].aged_ms = now_ms

    # -- credits -----------------------------------------------------------------------------------------------------

    def _serving(self, lane: str, level: int) -> list[str]:
        return [name for name, info in self.workers.items() if lane in info.lanes and level in info.levels]

    def _held(self, name: str) -> list[SeenBatch]:
        return [batch for batch in self.batches.values() if batch.claimed_by == name]

    def _queued(self, names: list[str]) -> list[SeenBatch]:
        lanes = {lane for name in names for lane in self.workers[name].lanes}
        return [batch for batch in self.batches.values() if not batch.claimed_by and batch.lane in lanes]

    def _has_credit(self, lane: str, level: int) -> None:
        names = self._serving(lane, level)
        require(bool(names), "no workers", f"nobody serves {lane} at level {level}")
        fits = self._fits(lane, level, lambda name: 1 if self._held(name) else 2)
        require(fits, "credits", f"no worker of {names} is left for one more of {lane} at level {level}")

    def _fits(self, lane: str, level: int, slots: Callable[[str], int], *, beside: int | None = None) -> bool:
        """Whether one more batch of ``lane`` finds a worker beside all that waits at ``level`` (``beside``) or above.

        Each worker takes ``slots`` batches of its lanes, and all are matched as well as can be.
        """
        down_to = level if beside is None else beside
        waiting = [batch.lane for batch in self.batches.values() if not batch.claimed_by and batch.level <= down_to]
        serving = [(name, info.lanes) for name, info in self.workers.items() if level in info.levels]
        workers = [lanes for name, lanes in serving for _ in range(slots(name))]
        return matched([*waiting, lane], workers) > matched(waiting, workers)

    def _taken_at_once(self, lane: str, level: int) -> bool:
        names = self._serving(lane, level)
        less_urgent = any(batch.level > level for batch in self._queued(names))
        return self._fits(lane, level, lambda name: self._is_open_to(name, level)) or (
            less_urgent and self._fits(lane, level, lambda _name: 1)
        )

    def _is_open_to(self, name: str, level: int) -> bool:
        held = self._held(name)
        return not held or any(batch.level > level for batch in held)

    def _may_be_partial(self, batch: DispatchBatch) -> None:
        if batch.items[0] in self.alone or self.core.config.dispatch == "tick":
            return
        if any(job.aged for job in self.core.jobs.values()) or batch.reason == "full":
            return
        require(self._taken_at_once(batch.lane, batch.level), "only full ahead", f"{batch} is partial")

    # -- afterwards --------------------------------------------------------------------------------------------------

    def _invariants(self) -> None:
        try:
            self.core.check_invariants()
        except AssertionError as error:
            raise Broken("invariants", str(error)) from error

    def _open_jobs_stay(self) -> None:
        """A job that may get more images is known, at the level of its size at least; and nothing else is open."""
        known = {job.id for job in self.core.jobs.values() if job.open}
        require(known == self.open, "open", f"{known} are open to the core, and {self.open} are")
        for job_id in known:
            job = self.core.jobs[job_id]
            priority = self.jobs[job_id].priority
            least = self.core.config.entry_level(priority, self.totals[job_id])
            require(job.level >= least, "level of an open job", f"{job_id} is at {job.level}, its size's is {least}")
            idle = not job.outstanding and not job.aged
            require(not idle or job.queue is None, "idle keeps no place", f"{job_id} stands in a queue with nothing")

    def _nothing_left_lying(self, now_ms: float) -> None:
        """No worker idles beside work that it could do, beyond the tick; no full batch waits beside a credit."""
        if self.core.restoring:
            return
        for pool in self.core.pools.values():
            for job in (job for job in self.core.jobs.values() if job.pool == pool.name):
                self._deadline_kept(job.id, now_ms)
                if not job.waiting.count:
                    continue
                level = pool.level_of(job)
                names = self._serving(job.lane, level)
                idle = [name for name in names if not self._held(name)]
                if self._fits(job.lane, level, lambda name: not self._held(name), beside=self.core.config.last_level):
                    late_ms = now_ms - job.oldest_ms
                    bound_ms = self.core.config.tick_ms if self.core.config.dispatch == "tick" else 0.0
                    require(
                        late_ms <= bound_ms + EPSILON_MS or self._kept_for_another(job, level, now_ms),
                        "tick" if bound_ms else "work conserving",
                        f"{job.id} waits {late_ms:.1f} ms beside {idle}",
                    )

    def _kept_for_another(self, job: Job, level: int, now_ms: float) -> bool:
        """Whether the idle worker is kept for something as urgent in another queue that is within its tick."""
        if self.core.config.dispatch != "tick":
            return False
        for other in self.core.jobs.values():
            at = self.core.pools[other.pool].level_of(other)
            within = other.waiting.count and now_ms - other.oldest_ms <= self.core.config.tick_ms + EPSILON_MS
            if at <= level and (at, other.lane) != (level, job.lane) and within:
                return True
        return False

    def _deadline_kept(self, job_id: str, now_ms: float) -> None:
        job = self.core.jobs[job_id]
        require(
            job.deadline_ms is None or job.deadline_ms > now_ms or not job.unstarted,
            "deadline",
            f"{job_id} waits beyond its deadline",
        )

    def _waits(self, now_ms: float) -> None:
        """A job goes no longer than its patience without a start or a turn at level 0."""
        for job in self.core.jobs.values():
            wait = self.waits[job.id]
            wait.idle = not job.unstarted
            if wait.idle or job.urgent:
                wait.patience_ms = 0.0
                continue
            turn_ms = job.turn_ms
            wait.patience_ms = max(wait.patience_ms, patience_ms(self.core.pools[job.pool], job))
            job.turn_ms = turn_ms
            if job.aged or any(batch.level == 0 for batch in job.unclaimed) or wait.aged_ms >= 0.0:
                continue
            waited_ms = now_ms - wait.since_ms
            require(waited_ms <= wait.patience_ms + 1.0, "aging", f"{job.id} waited {waited_ms:.0f} ms and has no turn")


def matched(lanes: list[str], workers: list[list[str]]) -> int:
    """How many batches of these lanes can be given to workers of those, one each: the largest matching."""
    taken: dict[int, int] = {}

    def find(batch: int, seen: set[int]) -> bool:
        for place, served in enumerate(workers):
            if lanes[batch] in served and place not in seen:
                seen.add(place)
                if place not in taken or find(taken[place], seen):
                    taken[place] = batch
                    return True
        return False

    return sum(find(batch, set()) for batch in range(len(lanes)))
