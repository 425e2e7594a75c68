"""Jobs that stay open: what is added is served as it comes, and only the close lets such a job end."""

from typing import Any

import pytest

from scheduler.core.decisions import Trace, TraceKind
from scheduler.core.events import JobClosed, JobExtended, JobRestored, TimePassed
from scheduler.core.ranges import Ranges
from tests.unit.scheduler.core.scene import HIGH, LOW, Scene, jobs_of, submission


def opened(count: int = 0, **fields: Any) -> Scene:
    scene = Scene()
    scene.worker()
    scene.job("j", count, open=True, client="a", **fields)
    return scene


def test_images_are_served_as_they_come() -> None:
    """What is added goes to the workers before the job is closed, with the indexes that follow."""
    scene = opened(3)
    assert scene.run_one().items == [("j", 0), ("j", 1), ("j", 2)]
    scene.extend("j", 3, 2)
    assert scene.run_one().items == [("j", 3), ("j", 4)]


def test_a_job_stays_until_it_is_closed() -> None:
    """All that it has being done does not end an open job; its close then does."""
    scene = opened(3)
    scene.run_one()
    assert "j" in scene.core.jobs
    scene.close("j")
    assert "j" not in scene.core.jobs


def test_a_closed_job_ends_with_its_last_image() -> None:
    """A close while images wait or run lets the job go on."""
    scene = opened(13)
    scene.close("j")
    scene.run_one()
    assert "j" in scene.core.jobs
    scene.run_one()
    assert "j" not in scene.core.jobs


def test_a_job_may_begin_with_nothing() -> None:
    """An empty open job is known, waits for nothing, and ends with its close."""
    scene = opened()
    assert not scene.queue
    standing = scene.core.standing("j", scene.now_ms)
    assert standing is not None
    assert (standing.position, standing.eta_ms) == (0, 0.0)
    scene.close("j")
    assert not scene.core.jobs


def test_old_news_of_an_extension_changes_nothing() -> None:
    """The stream may repeat itself: what is known already is not added again."""
    scene = opened(3)
    scene.extend("j", 3, 4)
    assert scene.extend("j", 3, 4) == []
    assert scene.extend("j", 0, 2) == []
    assert scene.core.jobs["j"].count == 7


def test_a_gap_is_served_too() -> None:
    """An extension whose predecessor nobody could read proves that those images exist."""
    scene = opened(1)
    scene.extend("j", 4, 2, rejected=[4])
    batch = scene.run_one()
    while scene.queue:
        batch = scene.run_one()
    assert batch.items[-1] == ("j", 5)
    assert scene.core.jobs["j"].count == 6
    assert not scene.core.jobs["j"].outstanding


def test_nothing_is_added_to_what_is_not_open() -> None:
    """A closed job, one that was never open, one that ended and an unknown one."""
    scene = opened(12)
    scene.close("j")
    scene.job("k", 12)
    scene.cancel("x")
    for name in ("j", "k", "x", "nobody"):
        assert scene.extend(name, 12, 5) == []
    assert scene.core.jobs["j"].count == scene.core.jobs["k"].count == 12


def test_rejected_images_are_not_scheduled() -> None:
    """They have their error already; a part of such alone leaves the job as it is."""
    scene = opened()
    scene.extend("j", 0, 3, rejected=[0, 2])
    assert scene.run_one().items == [("j", 1)]
    scene.extend("j", 3, 2, rejected=[3, 4])
    assert not scene.queue
    scene.extend("j", 5, 1)
    assert scene.run_one().items == [("j", 5)]


@pytest.mark.parametrize(("parts", "level"), [((10,), 0), ((10, 1), 1), ((30, 30), 1), ((30, 31), 2), ((1, 100), 2)])
def test_a_job_that_grows_is_at_the_level_of_its_size(parts: tuple[int, ...], level: int) -> None:
    """As if all of it had come at once, so that sending a bulk job in parts gains nothing."""
    scene = Scene()
    scene.job("j", 0, open=True)
    total = 0
    for count in parts:
        scene.extend("j", total, count)
        total += count
    assert scene.level("j") == level


def test_refused_images_count_towards_its_size() -> None:
    """As in a job that comes whole; also where a part brings nothing else."""
    scene = opened(10)
    scene.claim()
    scene.extend("j", 10, 51, rejected=range(10, 61))
    assert scene.level("j") == 2
    scene.job("k", 10, open=True)
    scene.extend("k", 10, 1, rejected=[10])
    assert scene.level("k") == 1


def test_a_job_never_rises_by_growing() -> None:
    """One that sank, or a low one, stays where it is; a high one stays at level 0."""
    scene = opened(51)
    for _ in range(5):
        scene.run_one()
    assert scene.level("j") == 2
    scene.extend("j", 51)
    assert scene.level("j") == 2
    scene.job("low", 0, priority=LOW, open=True)
    scene.extend("low", 0, 1)
    scene.job("high", 0, priority=HIGH, open=True)
    scene.extend("high", 0, 100)
    assert (scene.level("low"), scene.level("high")) == (2, 0)


def test_slow_drops_use_an_allotment_up() -> None:
    """Ten images one by one, each done before the next, are the allotment of level 0: the eleventh is at level 1."""
    scene = opened()
    levels = []
    for index in range(12):
        scene.extend("j", index)
        levels.append(scene.run_one().level)
    assert levels == [0] * 10 + [1] * 2


def test_images_handed_back_do_not_lift_a_job_above_its_size() -> None:
    """It grew while the batch ran: what comes back waits at the level of the whole job."""
    scene = opened(10)
    batch = scene.claim()
    scene.extend("j", 10, 90)
    scene.end(batch, left=range(4, 10))
    assert scene.level("j") == 2


def test_an_idle_open_job_keeps_no_turn() -> None:
    """While nothing of it waits, others take their turns; what comes joins the tail as a newcomer."""
    scene = opened(1)
    scene.run_one()
    scene.jobs(*(submission(f"b{k}", 10, client="b") for k in range(6)))
    scene.job("c", 10, client="c")
    scene.extend("j", 1)
    served = [jobs_of(scene.run_one())[0] for _ in range(5)]
    assert "j" in served[2:]


def test_idle_time_is_not_banked() -> None:
    """A client whose open job was idle is raised to the others on becoming active."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("idle", 0, open=True, client="a")
    scene.job("busy", 1000, client="b")
    for _ in range(30):
        scene.run_one()
    scene.extend("idle", 0, 1000)
    served = [jobs_of(scene.run_one())[0] for _ in range(20)]
    assert served.count("busy") >= 8


def test_growing_does_not_cost_a_job_its_place() -> None:
    """Parts that come while images wait leave it where it stands among its client's jobs."""
    scene = opened(70)
    scene.job("other", 500, client="a")
    first = jobs_of(scene.run_one())[0]
    total = 70
    served = [first]
    for _ in range(9):
        scene.extend("j", total, 10)
        total += 10
        served.append(jobs_of(scene.run_one())[0])
    assert 4 <= served.count("j") <= 6


def test_an_extension_after_the_deadline_lets_the_job_expire() -> None:
    """What is added too late is never run."""
    scene = opened(1, deadline_ms=100.0)
    scene.run_one()
    scene.later(200.0)
    assert not scene.expired()
    scene.extend("j", 1, 5)
    assert scene.expired() == ["j"]
    assert not scene.queue


def test_a_wait_begins_with_what_was_added() -> None:
    """An open job that was idle for long ages from the extension on."""
    scene = opened(1)
    scene.run_one()
    scene.later(10_000.0)
    scene.job("first", 10, client="b")
    scene.claim()
    scene.job("next", 10, client="b")
    scene.extend("j", 1)
    scene.later(1_500.0)
    assert TraceKind.AGED not in scene.traces("j")
    scene.later(600.0)
    assert TraceKind.AGED in scene.traces("j")


def test_a_cancel_ends_an_open_job() -> None:
    """Also one that waits for more, and what is added afterwards changes nothing."""
    scene = opened(1)
    scene.run_one()
    scene.cancel("j")
    assert scene.extend("j", 1, 5) == []
    assert not scene.core.jobs


def test_a_restart_knows_what_was_added_and_whether_more_may_come() -> None:
    """It goes on with the rest, ignores the same extension read again, and takes in the next."""
    scene = Scene()
    scene.worker()
    restored = JobRestored(submission("j", 2, open=True), [(3, 5)], served=3, total=5, still_open=True)
    scene.tell(restored)
    scene.tell(JobExtended("j", 2, 3), JobExtended("j", 5, 1))
    assert scene.run_one().items == [("j", 3), ("j", 4), ("j", 5)]
    assert "j" in scene.core.jobs
    scene.tell(JobClosed("j"))
    assert not scene.core.jobs


def test_a_restart_finds_an_idle_open_job_and_not_a_closed_one() -> None:
    """Nothing of either waits: the one that is open stays."""
    scene = Scene()
    for name, is_open in (("open", True), ("closed", False)):
        scene.tell(JobRestored(submission(name, 0, open=True), [], served=4, total=4, still_open=is_open))
    scene.tell(TimePassed())
    assert set(scene.core.jobs) == {"open"}


def test_the_trace_tells_of_parts_and_the_close() -> None:
    """Entered open, extended by so many, closed, and why where it was not its client."""
    scene = opened(2)
    scene.extend("j", 2, 3)
    scene.tell(JobClosed("j", "nothing was added for 600 s"))
    told = {one.kind: one.detail for one in scene.decisions if isinstance(one, Trace)}
    assert told[TraceKind.ENTERED] == {"images": 2, "open": 1}
    assert told[TraceKind.EXTENDED] == {"images": 3, "total": 5}
    assert told[TraceKind.CLOSED] == {"images": 5, "why": "nothing was added for 600 s"}


def test_ranges_that_follow_each_other_are_one() -> None:
    """Parts at the tail keep a job's ranges few, whatever was taken before."""
    ranges = Ranges([(0, 3)])
    assert ranges.add([(3, 5), (7, 9)]) == 4
    ranges.add([(9, 10)])
    assert list(ranges) == [0, 1, 2, 3, 4, 7, 8, 9]
    assert list(ranges.take(6)) == [0, 1, 2, 3, 4, 7]
    ranges.put_back([4, 7])
    ranges.add([(10, 12)])
    assert (list(ranges), ranges.count) == ([4, 7, 8, 9, 10, 11], 6)
    ranges.take(6)
    ranges.add([(20, 21)])
    assert list(ranges) == [20]
