"""What can be seen of the core: standings, queues and workers."""

import pytest

from tests.unit.scheduler.core.scene import LANE, LOW, OTHER_LANE, Scene, submission


def test_position_counts_what_is_expected_to_go_first() -> None:
    """Before a bulk job's next image go all more urgent ones and a turn of each other client at its level."""
    scene = Scene()
    scene.jobs(submission("single", 3), submission("other", 200), submission("mine", 100))
    at = scene.core.standing("mine", scene.now_ms)
    assert at is not None
    assert (at.level, at.position) == (2, 3 + 10)
    first = scene.core.standing("single", scene.now_ms)
    assert first is not None
    assert first.position == 0


def test_there_is_no_eta_before_anything_was_measured_and_then_there_is() -> None:
    """``eta_ms`` is None for an unknown price, and the time of what is ahead and of the job itself for a known one."""
    scene = Scene()
    scene.worker()
    scene.job("a", 10)
    at = scene.core.standing("a", scene.now_ms)
    assert at is not None
    assert at.eta_ms is None
    scene.run_one()
    scene.job("b", 100)
    later = scene.core.standing("b", scene.now_ms)
    assert later is not None
    assert later.eta_ms == pytest.approx(100 * 20.5, rel=0.05)


def eta_ms(scene: Scene, job_id: str) -> float:
    at = scene.core.standing(job_id, scene.now_ms)
    assert at is not None
    assert at.eta_ms is not None
    return at.eta_ms


def test_an_eta_counts_batches_and_not_what_single_images_cost() -> None:
    """After a hundred single images, each at the price of half a batch, a bulk job's ETA is that of full batches."""
    scene = Scene()
    scene.worker()
    scene.learn(50.0, 5.0)
    for number in range(100):
        scene.job(f"single {number}", client="ann")
        scene.run_one()
    scene.later(60_000)
    scene.job("bulk", 100)
    assert eta_ms(scene, "bulk") == pytest.approx(10 * 100.0, rel=0.02)
    scene.cancel("bulk")
    scene.job("single")
    assert eta_ms(scene, "single") == pytest.approx(55.0, rel=0.02)


def test_a_slow_first_image_counts_as_any_other() -> None:
    """A cold start of thirty times the price is one image of a hundred once a bulk job is half through."""
    scene = Scene()
    scene.worker()
    scene.cost = (0.0, 600.0)
    scene.job("first")
    scene.run_one()
    scene.cost = (0.0, 20.0)
    scene.job("bulk", 200)
    for _ in range(10):
        scene.run_one()
    assert eta_ms(scene, "bulk") == pytest.approx(100 * 20.0, rel=0.2)


def test_an_eta_counts_what_workers_do_beside_computing_but_no_pause() -> None:
    """What passes between a claim and the end of its batch is part of the price; a machine that slept is not."""
    scene = Scene()
    scene.worker()
    scene.job("bulk", 400)
    for _ in range(10):
        batch = scene.claim()
        scene.later(205.0 + 30.0)
        scene.end(batch)
    assert eta_ms(scene, "bulk") == pytest.approx(30 * 235.0, rel=0.02)
    batch = scene.claim()
    scene.later(3_600_000.0)
    scene.end(batch)
    assert eta_ms(scene, "bulk") < 2 * 29 * 235.0


def test_standings_name_every_active_job_once() -> None:
    """All at once they say what one at a time says."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(*(submission(f"j{k}", 1 + 7 * k, client=f"c{k % 3}") for k in range(12)))
    together = scene.core.standings(scene.now_ms)
    assert [one.job_id for one in together] == list(scene.core.jobs)
    assert together == [scene.core.standing(name, scene.now_ms) for name in scene.core.jobs]
    assert scene.core.standing("nobody", scene.now_ms) is None


def test_queues_tell_depth_age_and_rates() -> None:
    """What waits, what is queued in RQ and what runs, for each lane and level."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("bulk", 100)
    scene.claim()
    scene.later(500)
    views = {(view.lane, view.level): view for view in scene.core.queues(scene.now_ms)}
    view = views[LANE, 2]
    assert (view.waiting, view.queued, view.running) == (80, 1, 1)
    assert view.oldest_ms == pytest.approx(500.0)
    assert view.arrived_per_s > 0
    assert view.capacity_per_s == pytest.approx(1000 / 20.5, rel=0.01)
    assert views[OTHER_LANE, 0].waiting == 0


def test_workers_tell_what_they_hold_and_cost() -> None:
    """A worker's view has its batches and its measured cost curve in each lane."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    (view,) = scene.core.workers()
    assert view.batches == []
    assert view.costs[LANE][0] == pytest.approx(5.0)
    assert view.costs[LANE][1] == pytest.approx(20.0)
    assert scene.core.worker_names() == {"w"}
    scene.worker_leaves()
    assert scene.core.workers() == []


def test_the_served_level_of_held_low_and_aged_jobs() -> None:
    """A low job stands at the last level until it ages, and at level 0 for its turn."""
    scene = Scene()
    scene.worker()
    scene.job("first", 10)
    scene.claim()
    scene.job("second", 10)
    scene.job("low", 10, priority=LOW)
    assert scene.level("low") == 2
    scene.later(2000)
    assert scene.level("low") == 0
