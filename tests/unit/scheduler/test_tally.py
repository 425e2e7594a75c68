from typing import Any

import msgspec
import pytest

from scheduler.core import Core, CoreConfig
from scheduler.core.decisions import Decision, DispatchBatch
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    CoreEvent,
    EndReason,
    JobExtended,
    JobSubmitted,
    TimePassed,
    WorkerJoined,
    WorkerLeft,
)
from scheduler.history import EVERY_MS, KEPT, History, quantile, restored_history
from scheduler.status import Status
from scheduler.tally import Histogram, Tally
from tenfold.store.keys import Keys
from tests.unit.scheduler.core.scene import LANE, submission, worker_info


class Told:
    """A core with its tally beside it, as the service has them."""

    def __init__(self) -> None:
        self.core = Core(CoreConfig(epoch=1, dispatch="adaptive"))
        self.tally = Tally()
        self.now_ms = 0.0

    def tell(self, *events: CoreEvent) -> list[Decision]:
        self.tally.note(events, self.core.batches, self.now_ms)
        decisions = self.core.handle_all([*events, TimePassed()], self.now_ms)
        self.tally.note_decided(decisions)
        return decisions

    def first_batch(self, count: int, **fields: Any) -> str:
        self.tell(WorkerJoined(worker_info("w")))
        decisions = self.tell(JobSubmitted(submission("j", count, **fields)))
        return next(one.batch_id for one in decisions if isinstance(one, DispatchBatch))

    def counted(self, name: str) -> Any:
        return self.tally.told()[name]


def test_images_that_were_added_later_have_waited_since_then() -> None:
    """An open job that began long ago does not make its new images look old."""
    told = Told()
    batch = told.first_batch(2, open=True)
    told.tell(BatchClaimed(batch, "w"), BatchEnded(batch, "w", pieces=[(2, 1.0)]))
    told.now_ms = 60_000.0
    decisions = told.tell(JobExtended("j", 2, 3))
    batch = next(one.batch_id for one in decisions if isinstance(one, DispatchBatch))
    told.now_ms = 60_010.0
    told.tell(BatchClaimed(batch, "w"))
    (wait,) = told.counted("wait_s")
    assert (wait["counts"][-1], wait["sum"]) == (5, 0.03)


def test_a_batch_is_counted_from_its_dispatch_to_its_end() -> None:
    """Its fill, its images' waits and its service time stand under its lane and level."""
    told = Told()
    batch = told.first_batch(3)
    told.now_ms = 40.0
    told.tell(BatchClaimed(batch, "w"))
    told.tell(BatchEnded(batch, "w", pieces=[(2, 100.0), (1, 60.0)]))
    (fill,), (wait,), (service,) = (told.counted(name) for name in ("fill_items", "wait_s", "service_s"))
    assert (fill["lane"], fill["level"], fill["counts"][-1], fill["sum"]) == (LANE, 0, 1, 3)
    assert (wait["counts"][-1], wait["sum"]) == (3, 0.12)
    assert (service["counts"][-1], service["sum"]) == (1, 0.16)


def test_a_preemption_is_counted_where_it_happened() -> None:
    """A batch that made way is told with its lane and level."""
    told = Told()
    batch = told.first_batch(3)
    told.tell(BatchClaimed(batch, "w"))
    told.tell(BatchEnded(batch, "w", EndReason.PREEMPTED, left=[1, 2], pieces=[(1, 20.0)]))
    assert told.counted("preempted") == [{"lane": LANE, "level": 0, "count": 1}]


def test_sinking_is_counted() -> None:
    """A job that used up its allotment is one turn more."""
    told = Told()
    told.first_batch(60)
    while told.core.batches:
        for batch in list(told.core.batches.values()):
            told.tell(BatchClaimed(batch.id, "w"))
            told.tell(BatchEnded(batch.id, "w", pieces=[(batch.size, 20.0)]))
    assert told.counted("turns")["sank"] == 1
    assert set(told.counted("turns")) == {"sank", "aged", "moved", "held_down", "expired", "lost"}


def test_waits_count_at_the_jobs_own_level() -> None:
    """A bulk job that fills an urgent batch or rises says nothing of how long urgent ones wait."""
    told = Told()
    told.first_batch(60)
    told.now_ms = 50.0
    for batch in list(told.core.batches.values()):
        told.tell(BatchClaimed(batch.id, "w"))
    assert set(told.tally.waits_ms) == {1}


@pytest.mark.parametrize(("worker", "lost"), [("w", 1), ("", 0)])
def test_only_a_batch_that_a_worker_held_counts_as_lost(worker: str, lost: int) -> None:
    """One that vanished before it was claimed cost no worker."""
    told = Told()
    batch = told.first_batch(3)
    told.tell(BatchLost(batch, worker, left=[0, 1, 2]))
    assert told.counted("turns")["lost"] == lost


def test_a_worker_that_comes_counts_once() -> None:
    """Neither one that was there before, nor one that announces another version of its model, joins anew."""
    told = Told()
    told.tally.meet(["earlier"])
    for name in ("earlier", "w-1", "w-1"):
        told.tell(WorkerJoined(worker_info(name)))
    assert told.counted("joined") == 1
    told.tell(WorkerLeft("w-1"), WorkerJoined(worker_info("w-2")))
    assert told.counted("joined") == 2


def test_a_histogram_cumulates() -> None:
    """A value counts in its own bucket and all above; the last is all of them."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.told() == {"bounds": (1.0, 2.0), "counts": [2, 3, 4], "sum": 12.0}


def test_live_batches_are_told_with_who_shares_them() -> None:
    """A batch in its queue has no worker; a claimed one has, and each job its share."""
    told = Told()
    batch = told.first_batch(3)
    status = Status("1", Keys("tenfold:"), told.tally, History())
    (waiting,) = _batches(status, told)
    assert (waiting["worker"], waiting["images"]) == (None, 3)
    told.tell(BatchClaimed(batch, "w"))
    told.now_ms = 25.0
    (running,) = _batches(status, told)
    assert (running["worker"], running["for_ms"]) == ("w", 25.0)
    assert running["shares"] == [{"job": "j", "client": "client of j", "images": 3}]


def test_history_is_sampled_bounded_and_survives_its_leader() -> None:
    """Samples come at their pace, the oldest go, and the next leader goes on with what was published."""
    told = Told()
    status = Status("1", Keys("tenfold:"), told.tally, History())
    for _ in range(2 * KEPT):
        status.queues(told.core, told.now_ms)
        told.now_ms += EVERY_MS
    published = msgspec.json.encode(status.queues(told.core, told.now_ms))
    earlier = restored_history(published).samples
    assert len(earlier) == KEPT
    assert earlier[-1].at_ms == told.now_ms
    assert not restored_history(b"[]").samples
    assert not restored_history(None).samples


def test_percentiles_are_by_nearest_rank() -> None:
    """Of nothing there is none; of one it is that one; of a hundred the 99th percentile is not the greatest."""
    assert quantile([], 0.5) is None
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([1.0, 100.0], 0.5) == 1.0
    assert quantile([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert quantile([float(value) for value in range(1, 102)], 0.99) == 100.0


def _batches(status: Status, told: Told) -> Any:
    return status.queues(told.core, told.now_ms)["batches"]
