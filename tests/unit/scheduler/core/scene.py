"""A core on a hand-cranked clock: events are methods, decisions are kept, invariants are checked after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scheduler.core import Core, CoreConfig
from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, PromoteBatch, Trace, TraceKind
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    CoreEvent,
    EndReason,
    JobClosed,
    JobEnded,
    JobExtended,
    JobSubmitted,
    TimePassed,
    WorkerJoined,
    WorkerLeft,
)
from tenfold.contract.records import Priority, ServedModel, Submission, WorkerInfo

LANE = "net@640"
OTHER_LANE = "net@320"


def submission(job_id: str, count: int = 1, **fields: Any) -> Submission:
    """A job of ``count`` images of a client of its own, unless ``fields`` say otherwise."""
    known = {
        "client": f"client of {job_id}",
        "model": "net",
        "size": 640,
        "pool": "net",
        "lane": LANE,
        "bytes": 0,
        "submitted_ms": 0.0,
    }
    return Submission(job_id=job_id, count=count, **{**known, **fields})


def worker_info(
    name: str, levels: Sequence[int] = (0, 1, 2), lanes: Sequence[str] = (LANE, OTHER_LANE), version: str = "1"
) -> WorkerInfo:
    """A worker as it announces itself."""
    return WorkerInfo(
        name=name,
        pool="net",
        lanes=list(lanes),
        levels=list(levels),
        models=[ServedModel("net", version)],
        device="cpu",
        host="here",
        pid=1,
        started_ms=0.0,
    )


class Scene:
    """Drives one core.

    Attributes:
        queue: the dispatched batches that nobody claimed, in the order in which a worker would take them.
        decisions: all decisions so far.
        cost: (base, item) milliseconds that batches take when they are ended without a word on their pieces.
    """

    def __init__(self, **settings: Any) -> None:
        self.core = Core(CoreConfig(epoch=7, **settings))
        self.now_ms = 0.0
        self.queue: list[DispatchBatch] = []
        self.known: dict[str, DispatchBatch] = {}
        self.decisions: list[Decision] = []
        self.cost = (5.0, 20.0)

    def tell(self, *events: CoreEvent) -> list[Decision]:
        """Give the core ``events`` now."""
        decisions = self.core.handle_all(events, self.now_ms)
        self.core.check_invariants()
        self.decisions += decisions
        for decision in decisions:
            if isinstance(decision, DispatchBatch):
                self.queue.append(decision)
                self.known[decision.batch_id] = decision
            elif isinstance(decision, PromoteBatch):
                self._promote(decision)
        self.queue.sort(key=lambda batch: (batch.level, batch.batch_id))
        return decisions

    def _promote(self, decision: PromoteBatch) -> None:
        for place, batch in enumerate(self.queue):
            if batch.batch_id == decision.batch_id:
                fields = {name: getattr(batch, name) for name in batch.__struct_fields__}
                self.queue[place] = DispatchBatch(**{**fields, "level": decision.to_level})

    def worker(self, name: str = "w", **fields: Any) -> None:
        """A worker joins."""
        self.tell(WorkerJoined(worker_info(name, **fields)))

    def worker_leaves(self, name: str = "w") -> None:
        """A worker is gone."""
        self.tell(WorkerLeft(name))

    def job(self, job_id: str, count: int = 1, rejected: Sequence[int] = (), **fields: Any) -> list[Decision]:
        """A job is submitted."""
        return self.tell(JobSubmitted(submission(job_id, count, **fields), list(rejected)))

    def jobs(self, *submissions: Submission) -> list[Decision]:
        """Several jobs are read at once."""
        return self.tell(*(JobSubmitted(one) for one in submissions))

    def extend(self, job_id: str, first: int, count: int = 1, rejected: Sequence[int] = ()) -> list[Decision]:
        """Images are added to an open job."""
        return self.tell(JobExtended(job_id, first, count, list(rejected)))

    def close(self, job_id: str) -> list[Decision]:
        """No more follow."""
        return self.tell(JobClosed(job_id))

    def cancel(self, job_id: str) -> list[Decision]:
        """A client cancels."""
        return self.tell(JobEnded(job_id, "canceled"))

    def claim(self, worker: str = "w", dropped: Sequence[int] = ()) -> DispatchBatch:
        """A worker takes the next batch."""
        batch = self.queue.pop(0)
        self.tell(BatchClaimed(batch.batch_id, worker, list(dropped)))
        return batch

    def end(
        self,
        batch: DispatchBatch,
        worker: str = "w",
        left: Sequence[int] = (),
        pieces: Sequence[tuple[int, float]] | None = None,
    ) -> list[Decision]:
        """A worker commits a batch but for the positions ``left``."""
        ran = len(batch.items) - len(left)
        if pieces is None:
            pieces = [(ran, self.cost[0] + self.cost[1] * ran)] if ran else []
        reason = EndReason.PREEMPTED if left else EndReason.FINISHED
        return self.tell(BatchEnded(batch.batch_id, worker, reason, list(left), list(pieces)))

    def lose(
        self, batch: DispatchBatch, left: Sequence[int], alone: Sequence[int] = (), failed: Sequence[int] = ()
    ) -> list[Decision]:
        """The lease of a batch ran out."""
        return self.tell(BatchLost(batch.batch_id, "w", list(left), list(alone), list(failed)))

    def run_one(self, worker: str = "w") -> DispatchBatch:
        """Claim the next batch, let its time pass, and end it."""
        batch = self.claim(worker)
        self.later(self.cost[0] + self.cost[1] * len(batch.items))
        self.end(batch, worker)
        return batch

    def later(self, delay_ms: float) -> list[Decision]:
        """Time passes, with every wake-up that the core asked for."""
        until_ms, said = self.now_ms + delay_ms, []
        while (due_ms := self.core.next_wakeup_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            said += self.tell(TimePassed())
        self.now_ms = until_ms
        return said

    def learn(self, base_ms: float, item_ms: float, lane: str = LANE, worker: str = "w") -> None:
        """Let the core measure a cost curve on a job that leaves no other mark."""
        self.cost = (base_ms, item_ms)
        for images in (1, 10):
            self.job(f"measured {images}", images, client="measurer", lane=lane)
            self.run_one(worker)

    def level(self, job_id: str) -> int:
        """The level at which a job is served."""
        standing = self.core.standing(job_id, self.now_ms)
        assert standing is not None, f"{job_id} is not active"
        return standing.level

    def sizes(self) -> list[int]:
        """How many items each queued batch has."""
        return [len(batch.items) for batch in self.queue]

    def traces(self, job_id: str) -> list[TraceKind]:
        """What was done with a job, in order."""
        return [one.kind for one in self.decisions if isinstance(one, Trace) and one.job_id == job_id]

    def expired(self) -> list[str]:
        """The jobs that the core let expire."""
        return [one.job_id for one in self.decisions if isinstance(one, ExpireJob)]


def jobs_of(batch: DispatchBatch) -> list[str]:
    """The jobs in a batch, each once, in order."""
    return list(dict.fromkeys(job_id for job_id, _ in batch.items))


HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
