"""Hypothesis looks for events that break the core: in any order and number, late, doubled or about nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from scheduler.core import Core, CoreConfig
from scheduler.core.decisions import DispatchBatch, ExpireJob, PromoteBatch
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    BatchRestored,
    CoreEvent,
    EndReason,
    JobClosed,
    JobEnded,
    JobExtended,
    JobRestored,
    JobSubmitted,
    TimePassed,
    WorkerJoined,
    WorkerLeft,
)
from scheduler.simulate.truth import TrueBatch, Truth
from tenfold.contract.records import Priority
from tenfold.contract.states import JobEvent
from tests.simulation.watch import Watch
from tests.unit.scheduler.core.scene import LANE, OTHER_LANE, submission, worker_info

WORKERS = ("w0", "w1", "w2")


class Anything(RuleBasedStateMachine):
    """A core, the truth beside it, and every event that was ever sent, to be sent again."""

    jobs = Bundle("jobs")
    growing = Bundle("growing")
    events = Bundle("events")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self.epoch = 1
        self.truth = Truth()
        self.alive: dict[str, tuple[int, ...]] = {}
        self._begin()

    def _begin(self) -> None:
        self.core = Core(CoreConfig(epoch=self.epoch, boost_after_ms=200.0, client_lead_ms=50.0))
        self.watch = Watch(self.core, prompt=False)

    def tell(self, event: CoreEvent) -> CoreEvent:
        """Hand an event to the core and do what it says."""
        decisions = self.core.handle(event, self.now_ms)
        self.watch(event, decisions)
        for decision in decisions:
            if isinstance(decision, DispatchBatch):
                self.truth.dispatch(decision, self.now_ms)
            elif isinstance(decision, PromoteBatch):
                self.truth.promote(decision)
            elif isinstance(decision, ExpireJob):
                self.truth.stop(decision.job_id, JobEvent.DEADLINE_PASSED, self.now_ms)
        return event

    # -- clients -----------------------------------------------------------------------------------------------------

    @rule(
        target=jobs,
        client=st.sampled_from(["a", "b", "c"]),
        count=st.sampled_from([1, 1, 2, 7, 10, 25, 61]),
        priority=st.sampled_from(list(Priority)),
        lane=st.sampled_from([LANE, OTHER_LANE]),
        patience_ms=st.one_of(st.none(), st.floats(1.0, 3000.0)),
    )
    def submit(self, client: str, count: int, priority: Priority, lane: str, patience_ms: float | None) -> str:
        """A client sends a job."""
        return self._submit(count, client=client, priority=priority, lane=lane, patience_ms=patience_ms)

    def _submit(self, count: int, *, patience_ms: float | None = None, **fields: Any) -> str:
        name = f"j{len(self.truth.jobs):04d}"
        deadline_ms = None if patience_ms is None else self.now_ms + patience_ms
        job = submission(name, count, deadline_ms=deadline_ms, **fields)
        self.truth.accept(job)
        self.tell(JobSubmitted(job))
        return name

    @rule(
        target=growing,
        client=st.sampled_from(["a", "b", "c"]),
        count=st.sampled_from([0, 0, 1, 7, 25]),
        priority=st.sampled_from(list(Priority)),
        patience_ms=st.one_of(st.none(), st.floats(1.0, 3000.0)),
    )
    def open(self, client: str, count: int, priority: Priority, patience_ms: float | None) -> str:
        """A client sends a job that is open for more."""
        return self._submit(count, client=client, priority=priority, patience_ms=patience_ms, open=True)

    @rule(
        target=events,
        job=growing,
        count=st.sampled_from([1, 2, 10, 11, 50]),
        rejected=st.sets(st.integers(0, 10), max_size=3),
    )
    def extend(self, job: str, count: int, rejected: set[int]) -> object:
        """It gets more images, some of them refused at the door, if it is open."""
        refused = sorted(index for index in rejected if index < count)
        first = self.truth.extend(job, count, refused, self.now_ms)
        if first is None:
            return multiple()
        return self.tell(JobExtended(job, first, count, [first + index for index in refused]))

    @rule(target=events, job=growing)
    def close(self, job: str) -> object:
        """No more follow."""
        return self.tell(JobClosed(job)) if self.truth.close(job, self.now_ms) else multiple()

    @rule(target=events, job=st.one_of(jobs, growing))
    def cancel(self, job: str) -> CoreEvent:
        """A client cancels."""
        self.truth.stop(job, JobEvent.CANCELED, self.now_ms)
        return self.tell(JobEnded(job, "canceled"))

    # -- workers -----------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(WORKERS), levels=st.sampled_from([(0, 1, 2), (0, 1, 2), (0,), (1, 2)]))
    def join(self, name: str, levels: tuple[int, ...]) -> None:
        """A worker joins, or joins anew as another one."""
        self.alive[name] = levels
        self.tell(WorkerJoined(worker_info(name, levels=levels)))

    @rule(name=st.sampled_from(WORKERS))
    def leave(self, name: str) -> None:
        """A worker leaves; what it holds is held until its lease is reaped."""
        self.alive.pop(name, None)
        self.tell(WorkerLeft(name))

    @rule(target=held, name=st.sampled_from(WORKERS))
    def claim(self, name: str) -> object:
        """A worker claims what is next for it."""
        levels = self.alive.get(name)
        batch = self.truth.claimable((LANE, OTHER_LANE), levels) if levels else None
        if batch is None:
            return multiple()
        self.truth.claim(batch, name, self.now_ms)
        self.tell(BatchClaimed(batch.id, name, list(batch.dropped)))
        return batch

    @rule(target=events, batch=consumes(held), keep=st.integers(0, 10), item_ms=st.floats(0.1, 50.0))
    def end(self, batch: TrueBatch, keep: int, item_ms: float) -> CoreEvent:
        """A worker commits some of a batch and hands the rest back."""
        live = batch.live()
        ran = live[:keep]
        left = self.truth.finish(batch, ran, self.now_ms)
        reason = EndReason.PREEMPTED if left else EndReason.FINISHED
        pieces = [(len(ran), 3.0 + item_ms * len(ran))] if ran else []
        return self.tell(BatchEnded(batch.id, batch.worker, reason, left, pieces))

    @rule(target=events, batch=consumes(held), computing=st.integers(0, 10))
    def lose(self, batch: TrueBatch, computing: int) -> CoreEvent:
        """A lease runs out."""
        left, alone, failed = self.truth.lose(batch, batch.live()[:computing], self.now_ms)
        return self.tell(BatchLost(batch.id, batch.worker, left, alone, failed))

    # -- time and mishaps ---------------------------------------------------------------------------------------------

    @rule(delay_ms=st.floats(0.1, 1500.0))
    def time_passes(self, delay_ms: float) -> None:
        """The clock goes on, from one wake-up to the next."""
        until_ms = self.now_ms + delay_ms
        while (due_ms := self.core.next_wakeup_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self.tell(TimePassed())
        self.now_ms = until_ms

    @rule(event=events)
    def doubled(self, event: CoreEvent) -> None:
        """An old event comes again."""
        self.tell(event)

    @rule()
    def about_nothing(self) -> None:
        """Events about what nobody knows change nothing."""
        before = (len(self.core.jobs), len(self.core.batches))
        self.tell(JobEnded("nobody", "canceled"))
        self.tell(BatchEnded("000000-000000000", "w0", left=[3], pieces=[(1, 1.0)]))
        self.tell(BatchLost("000000-000000000", "w0", left=[0, 99]))
        self.tell(BatchClaimed("000000-000000000", "w9"))
        self.tell(WorkerLeft("w9"))
        assert before == (len(self.core.jobs), len(self.core.batches))

    @rule()
    def restart(self) -> None:
        """The scheduler dies and its successor rebuilds everything."""
        self.epoch += 1
        self._begin()
        self.watch.jobs = {name: job.submission for name, job in self.truth.jobs.items()}
        self.watch.totals = {name: len(job.items) for name, job in self.truth.jobs.items()}
        for name, levels in self.alive.items():
            self.tell(WorkerJoined(worker_info(name, levels=levels)))
        for job in self.truth.jobs.values():
            if not job.final:
                waiting = self.truth.waiting(job)
                indexes = [index for start, stop in waiting for index in range(start, stop)]
                alone = [index for index in indexes if job.losses.get(index, 0) >= 2]
                total, is_open = len(job.items), job.open
                self.tell(
                    JobRestored(job.submission, waiting, len(job.done_ms), alone, total=total, still_open=is_open)
                )
        for batch in self.truth.batches.values():
            self.tell(
                BatchRestored(
                    batch.id, batch.pool, batch.lane, batch.level, batch.items, batch.worker or None, batch.dropped
                )
            )
        self.tell(TimePassed())

    @invariant()
    def core_and_truth_agree(self) -> None:
        """Every active job is known with as many open items, and nothing else is known."""
        active = {name: job.open_items for name, job in self.truth.jobs.items() if not job.final}
        assert active == {name: job.outstanding for name, job in self.core.jobs.items()}


TestAnything = Anything.TestCase
TestAnything.__doc__ = "No sequence of events breaks an invariant, a check or the agreement with the truth."
TestAnything.settings = settings(
    max_examples=50,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_anything_at_length() -> None:
    """The long form, with other sequences each time."""
    run_state_machine_as_test(
        Anything, settings=settings(TestAnything.settings, max_examples=3000, derandomize=False, print_blob=True)
    )
