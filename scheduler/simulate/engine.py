"""A scheduler, its workers and its clients on one virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, PromoteBatch
from scheduler.core.events import CoreEvent, TimePassed
from scheduler.simulate.clock import VirtualClock
from scheduler.simulate.model_worker import Device, ModelWorker
from scheduler.simulate.truth import TrueBatch, Truth
from tenfold.contract.events import JobClosed, JobEnded, JobExtended, JobSubmitted, WireEvent, WorkerJoined
from tenfold.contract.records import Priority, ServedModel, Submission, WorkerInfo
from tenfold.contract.states import JobEvent

POOL = "model"
LANE = "model@640"


class Policy(Protocol):
    """What decides: the core, or something to compare it with."""

    def handle(self, event: CoreEvent, now_ms: float) -> list[Decision]:
        """Take in an event and say what follows."""

    def next_wakeup_ms(self) -> float | None:
        """When time alone changes something."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job that a client will send."""

    at_ms: float
    client: str
    images: int
    priority: Priority = Priority.NORMAL
    lane: str = LANE
    deadline_after_ms: float | None = None
    kind: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What a worker computed in one go."""

    worker: str
    batch_id: str
    level: int
    items: list[tuple[str, int]]
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class History:
    """All that ran, in order of ending."""

    pieces: list[Piece] = field(default_factory=list)

    def ran(self, worker: str, batch: TrueBatch, positions: list[int], start_ms: float, end_ms: float) -> None:
        """Note a micro-batch."""
        items = [batch.items[position] for position in positions]
        self.pieces.append(Piece(worker, batch.id, batch.level, items, start_ms, end_ms))


class Engine:
    """Connects a policy with model workers.

    Attributes:
        latency_ms: from an event to the policy's knowing it.
        watch: called after each event with it and the decisions, for checks.
    """

    def __init__(self, policy: Policy, *, latency_ms: float = 0.5) -> None:
        self.policy = policy
        self.clock = VirtualClock()
        self.truth = Truth()
        self.history = History()
        self.workers: dict[str, ModelWorker] = {}
        self.arrivals: dict[str, Arrival] = {}
        self.latency_ms = latency_ms
        self.watch: Callable[[CoreEvent, list[Decision]], None] = lambda _event, _decisions: None
        self._wakeup_ms: float | None = None

    def add_worker(
        self,
        name: str,
        device: Device,
        *,
        levels: Iterable[int] = (0, 1, 2),
        lanes: Iterable[str] = (LANE,),
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> ModelWorker:
        """A worker starts now."""
        info = WorkerInfo(
            name=name,
            pool=POOL,
            lanes=list(lanes),
            levels=list(levels),
            models=[ServedModel(POOL, "1")],
            device="cpu",
            host="simulated",
            pid=1,
            started_ms=self.clock.now_ms,
        )
        worker = ModelWorker(info, device, self.clock, self.truth, self.tell, self.history, jitter)
        self.workers[name] = worker
        self.tell(WorkerJoined(info))
        worker.look()
        return worker

    def send(self, arrivals: Iterable[Arrival]) -> None:
        """Clients will send ``arrivals``."""
        for arrival in arrivals:
            self.clock.at(arrival.at_ms, partial(self.submit, arrival))

    def submit(self, arrival: Arrival, rejected: Iterable[int] = (), *, named: str = "") -> str:
        """A client sends a job now; its id, ``named`` or the next in order."""
        job_id = named or f"j{len(self.arrivals):06d}"
        self.arrivals[job_id] = arrival
        deadline = arrival.deadline_after_ms
        submission = Submission(
            job_id=job_id,
            client=arrival.client,
            model=POOL,
            size=640,
            pool=POOL,
            lane=arrival.lane,
            count=arrival.images,
            bytes=0,
            submitted_ms=self.clock.now_ms,
            priority=arrival.priority,
            deadline_ms=None if deadline is None else self.clock.now_ms + deadline,
            open=arrival.open,
        )
        refused = list(rejected)
        self.truth.accept(submission, refused)
        self.tell(JobSubmitted(submission, refused))
        return job_id

    def extend(self, job_id: str, images: int, rejected: Iterable[int] = ()) -> None:
        """A client adds images to an open job, if it still is."""
        refused = list(rejected)
        first = self.truth.extend(job_id, images, refused, self.clock.now_ms)
        if first is not None:
            self.tell(JobExtended(job_id, first, images, [first + index for index in refused]))

    def close(self, job_id: str) -> None:
        """A client closes a job, if it is open."""
        if self.truth.close(job_id, self.clock.now_ms):
            self.tell(JobClosed(job_id))

    def cancel(self, job_id: str) -> None:
        """A client cancels a job, if it is not final."""
        if self.truth.stop(job_id, JobEvent.CANCELED, self.clock.now_ms):
            self.tell(JobEnded(job_id, "canceled"))

    def tell(self, event: WireEvent) -> None:
        """An event is on its way to the policy."""
        self.clock.after(self.latency_ms, lambda: self.deliver(event))

    def deliver(self, event: CoreEvent) -> None:
        """The policy gets to know an event, and what it decides is done."""
        decisions = self.policy.handle(event, self.clock.now_ms)
        self.watch(event, decisions)
        for decision in decisions:
            self.carry_out(decision)
        self._appoint()

    def carry_out(self, decision: Decision) -> None:
        """Do what was decided."""
        if isinstance(decision, DispatchBatch):
            self.truth.dispatch(decision, self.clock.now_ms)
        elif isinstance(decision, PromoteBatch):
            self.truth.promote(decision)
        elif isinstance(decision, ExpireJob):
            self.truth.stop(decision.job_id, JobEvent.DEADLINE_PASSED, self.clock.now_ms)
            return
        else:
            return
        for worker in list(self.workers.values()):
            worker.look()

    def _appoint(self) -> None:
        due_ms = self.policy.next_wakeup_ms()
        if due_ms is not None and (self._wakeup_ms is None or due_ms < self._wakeup_ms):
            self._wakeup_ms = due_ms
            self.clock.at(due_ms, lambda: self._wake(due_ms))

    def _wake(self, due_ms: float) -> None:
        if self._wakeup_ms == due_ms:
            self._wakeup_ms = None
            self.deliver(TimePassed())
