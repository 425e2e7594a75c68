from typing import Any

import pytest

from gateway.crud.deadlines import check_deadline, entry_level
from tenfold.contract.errors import Unavailable
from tenfold.contract.records import POOL, Priority, Submission

LANES = ["lane", "another size's"]


def job(count: int, deadline_ms: float | None, priority: Priority = Priority.NORMAL) -> Submission:
    return Submission("j", "c", "m", 64, POOL, "lane", count, 1, 1000.0, deadline_ms=deadline_ms, priority=priority)


def told(level: int, waiting: int, capacity: float, lane: str = "lane") -> dict[str, Any]:
    return {"pool": POOL, "lane": lane, "level": level, "waiting_items": waiting, "capacity_per_s": capacity}


@pytest.mark.parametrize(
    ("submission", "queues"),
    [
        (job(1000, None), [told(0, 10**6, 1.0)]),
        (job(1000, 1001.0), []),
        (job(1000, 1001.0), [told(0, 10**6, 0.0)]),
        (job(1000, 1001.0), [told(0, 0, 1.0, lane="another")]),
        (job(10, 2000.0), [told(0, 500, 10.0)]),
        (job(10, 2000.0), [told(1, 500, 10.0)]),
        (job(100, 11_000.0), [told(0, 900, 0.0, lane="another"), told(2, 0, 10.0)]),
    ],
    ids=[
        "none asked",
        "nothing told",
        "nothing measured",
        "another lane",
        "same level",
        "lower level",
        "another model",
    ],
)
def test_only_what_is_certain_refuses_a_deadline(submission: Submission, queues: list[dict[str, Any]]) -> None:
    """What is unknown, or may be overtaken, lets the job in."""
    check_deadline(submission, {"queues": queues} if queues else None, (10, 50), LANES)


@pytest.mark.parametrize(
    ("submission", "queues"),
    [
        (job(11, 2000.0), [told(0, 0, 10.0)]),
        (job(100, 11_000.0), [told(0, 1, 10.0), told(2, 0, 10.0)]),
        (job(1, 2000.0, Priority.LOW), [told(0, 6, 10.0), told(1, 4, 10.0)]),
    ],
    ids=["its own images", "a more urgent one ahead", "low comes after all others"],
)
def test_a_deadline_out_of_reach_is_refused(submission: Submission, queues: list[dict[str, Any]]) -> None:
    """The refusal names the figures."""
    with pytest.raises(Unavailable, match="images/s") as caught:
        check_deadline(submission, {"queues": queues}, (10, 50), LANES)
    assert caught.value.code == "deadline_out_of_reach"


@pytest.mark.parametrize(
    ("priority", "count", "level"),
    [
        (Priority.HIGH, 1000, 0),
        (Priority.LOW, 1, 2),
        (Priority.NORMAL, 10, 0),
        (Priority.NORMAL, 11, 1),
        (Priority.NORMAL, 60, 1),
        (Priority.NORMAL, 61, 2),
    ],
)
def test_a_job_begins_where_rule_1_says(priority: Priority, count: int, level: int) -> None:
    """With allotments of 10 and 50."""
    assert entry_level(priority, count, (10, 50)) == level
