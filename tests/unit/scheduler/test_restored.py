"""What a new leader makes of what it finds in Redis."""

from scheduler.core.events import JobRestored
from scheduler.service import restored
from tenfold.store.scheduler_store import ActiveJob, Snapshot
from tests.unit.scheduler.core.scene import submission


def told(job: ActiveJob) -> JobRestored:
    (event,) = restored(Snapshot(b"0-0", [], [], [job]))
    assert isinstance(event, JobRestored)
    return event


def test_an_open_job_is_told_with_what_it_has_now() -> None:
    """Its total, whether more may come, and all that is neither settled nor under way."""
    event = told(ActiveJob(submission("j", 2, open=True), frozenset({0, 3}), frozenset({4}), total=6, open=True))
    assert (event.total, event.still_open, event.served) == (6, True, 2)
    assert event.waiting == [(1, 3), (4, 6)]
    assert event.alone == [4]


def test_what_was_settled_of_a_part_that_came_meanwhile_is_left_to_its_event() -> None:
    """An extension between two reads shows in one of them alone: its own event then tells all of it."""
    event = told(ActiveJob(submission("j", 2, open=True), frozenset({0, 7}), frozenset(), total=2, open=True))
    assert event.waiting == [(1, 2)]
    assert event.served == 1


def test_a_job_that_is_closed_is_told_so() -> None:
    """It was opened, and no more follow."""
    assert not told(ActiveJob(submission("j", 2, open=True), frozenset(), frozenset(), total=2, open=False)).still_open
