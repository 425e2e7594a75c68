"""Credits where workers serve different lanes: what others alone could take is in nobody's way."""

import random

import pytest

from scheduler.core.credits import KINDS_MAX, Credits
from tests.simulation.watch import matched
from tests.unit.scheduler.core.scene import HIGH, LOW, Scene, submission, worker_info

A, B, C = "a@640", "b@640", "c@640"


def crew(**lanes: list[str]) -> Credits:
    credits_ = Credits(3)
    for name, served in lanes.items():
        credits_.joined(worker_info(name, lanes=served))
    return credits_


def test_a_full_queue_of_others_takes_nobodys_credit() -> None:
    """Eleven batches of b wait for eleven workers of b: a worker of a alone still gets batches of a."""
    found = crew(one=[A], both=[A, B], **{f"b{n}": [B] for n in range(10)})
    for name in ("both", *(f"b{n}" for n in range(10))):
        found.takes(name, f"held by {name}", B, 2)
    for _ in range(11):
        assert found.free(B, 2)
        found.queue(B, 2)
    assert not found.free(B, 2)
    assert found.free(A, 2)
    assert found.taken_at_once(A, 2) == "a worker is idle"
    assert found.taken_at_once(B, 2) == ""


def test_workers_that_share_lanes_count_once() -> None:
    """One worker of both lanes has one batch ahead, of whichever lane came first, and one that it starts."""
    found = crew(both=[A, B])
    found.queue(A, 0)
    assert found.free(B, 0)
    found.queue(B, 0)
    assert not found.free(A, 0)
    assert not found.free(B, 0)
    assert found.spare(A, 0) == 0


def test_lanes_that_are_linked_through_others_reach_each_other() -> None:
    """What a's workers may take depends on what c's leave to them: with all of b's helpers taken, b waits."""
    found = crew(ab=[A, B], bc=[B, C])
    for lane in (A, A, C, C):
        assert found.free(lane, 1)
        found.queue(lane, 1)
    assert not found.free(B, 1)
    assert found.free(B, 0)


@pytest.mark.parametrize("seed", range(40))
def test_credit_is_the_room_of_the_best_matching(seed: int) -> None:
    """Whoever serves what and whatever waits: a batch has a credit where the largest matching grows by it."""
    dice = random.Random(seed)
    lanes = [f"{name}@64" for name in "abcd"[: dice.randint(1, 4)]]
    crews = {f"w{n}": dice.sample(lanes, dice.randint(1, len(lanes))) for n in range(dice.randint(1, 5))}
    found = crew(**crews)
    busy = {name for name in crews if dice.random() < 0.5}
    for name in busy:
        found.takes(name, f"held by {name}", crews[name][0], 1)
    waiting = [lane for lane in lanes for _ in range(dice.randint(0, 3)) if any(lane in own for own in crews.values())]
    for lane in waiting:
        found.queue(lane, 1)
    slots = [own for name, own in crews.items() for _ in range(1 if name in busy else 2)]
    idle = [own for name, own in crews.items() if name not in busy]
    for lane in lanes:
        assert found.free(lane, 1) == (matched([*waiting, lane], slots) > matched(waiting, slots))
        more = 0
        while matched([*waiting, *[lane] * (more + 1)], idle) > matched([*waiting, *[lane] * more], idle):
            more += 1
        assert found.spare(lane, 1) == more


def test_many_kinds_of_workers_are_counted_roughly_and_quickly() -> None:
    """With more kinds than are looked at in all combinations, credits stay bounded by the workers there are."""
    lanes = [f"m{n}@64" for n in range(KINDS_MAX + 6)]
    found = crew(**{f"w{n}": [lanes[n], lanes[(n + 1) % len(lanes)]] for n in range(len(lanes))})
    assert len(found.reach(lanes[0], 0).without) < 2**KINDS_MAX
    queued = 0
    while any(found.free(lane, 0) for lane in lanes):
        found.queue(next(lane for lane in lanes if found.free(lane, 0)), 0)
        queued += 1
    assert queued == 2 * len(lanes)


def test_a_job_ages_by_what_is_in_its_way() -> None:
    """A thousand images of another model's clients, which other workers serve, make no job of this one wait longer."""
    scene = Scene(boost_after_ms=2000.0)
    scene.worker("a", lanes=[A])
    scene.worker("b", lanes=[B])
    scene.learn(5.0, 20.0, A, "a")
    others = [submission(f"b{n}", 100, client=f"client {n}", lane=B) for n in range(20)]
    scene.jobs(*others, submission("high", 100, lane=A, priority=HIGH), submission("low", 5, lane=A, priority=LOW))
    scene.later(2001)
    assert "aged" in scene.traces("low")


def test_eta_and_position_leave_out_what_others_serve() -> None:
    """What waits for another model's workers is not ahead of a job."""
    scene = Scene()
    scene.worker("a", lanes=[A])
    scene.worker("b", lanes=[B])
    scene.jobs(*(submission(f"b{n}", 10, client=f"client {n}", lane=B) for n in range(30)))
    scene.job("mine", 100, lane=A)
    standing = scene.core.standing("mine", scene.now_ms)
    assert standing is not None
    assert standing.position == 0


def test_another_version_is_measured_anew() -> None:
    """A worker that joins again with another version of its model has no cost curve of its own any more."""
    scene = Scene()
    scene.worker("w")
    scene.learn(5.0, 20.0)
    assert scene.core.workers()[0].costs
    scene.worker("w")
    assert scene.core.workers()[0].costs
    scene.worker("w", version="2")
    assert not scene.core.workers()[0].costs
