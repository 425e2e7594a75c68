"""Rules 1 to 4 as DESIGN numbers them: entry, splitting, coalescing, the tick."""

import pytest

from tests.unit.scheduler.core.scene import HIGH, LANE, LOW, OTHER_LANE, Scene, jobs_of, submission

# -- rule 1: entry --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "level"), [(1, 0), (10, 0), (11, 1), (60, 1), (61, 2), (10_000, 2)])
def test_rule_1_a_normal_job_enters_where_it_would_end(count: int, level: int) -> None:
    """With 10 and 50, up to 10 images start at level 0, up to 60 at level 1, more at level 2."""
    scene = Scene()
    scene.job("j", count)
    assert scene.level("j") == level


def test_rule_1_high_stays_at_level_0_and_low_enters_last() -> None:
    """A high job of 200 images is served at level 0 to its end, a low one of one image at the last level."""
    scene = Scene()
    scene.worker()
    scene.job("low", priority=LOW)
    assert scene.level("low") == 2
    scene.run_one()
    scene.job("high", 200, priority=HIGH)
    assert [scene.run_one().level for _ in range(20)] == [0] * 20


def test_rule_1_the_first_batch_of_a_large_job_is_no_exception() -> None:
    """A 200-image job's first batch already goes at level 2."""
    scene = Scene()
    scene.worker()
    scene.job("j", 200)
    assert [batch.level for batch in scene.queue] == [2, 2]


# -- rule 2: splitting ----------------------------------------------------------------------------------------------


def test_rule_2_a_25_image_job_alone_makes_10_10_5() -> None:
    """A job is served in pieces of at most the batch size."""
    scene = Scene()
    scene.worker()
    scene.job("j", 25)
    batches = [scene.run_one() for _ in range(3)]
    assert [len(batch.items) for batch in batches] == [10, 10, 5]
    assert [index for batch in batches for _, index in batch.items] == list(range(25))


def test_rule_2_rejected_images_are_not_scheduled() -> None:
    """Indexes that the gateway refused appear in no batch."""
    scene = Scene()
    scene.worker()
    scene.job("j", 6, rejected=[0, 3, 5])
    assert scene.queue[0].items == [("j", 1), ("j", 2), ("j", 4)]


def test_rule_2_a_job_without_any_good_image_is_over_at_once() -> None:
    """When every image was rejected there is nothing to schedule."""
    scene = Scene()
    scene.worker()
    scene.job("j", 2, rejected=[0, 1])
    assert not scene.queue
    assert scene.core.standing("j", 0.0) is None


# -- rule 3: coalescing ---------------------------------------------------------------------------------------------


def test_rule_3_ten_single_images_that_arrive_together_share_a_batch() -> None:
    """Jobs of ten clients read at once make one batch of ten."""
    scene = Scene()
    scene.worker()
    scene.jobs(*(submission(f"j{k}") for k in range(10)))
    assert [len(batch.items) for batch in scene.queue] == [10]


def test_rule_3_lanes_do_not_mix() -> None:
    """Items of two lanes go in two batches."""
    scene = Scene()
    scene.worker()
    scene.jobs(*(submission(f"j{k}", lane=LANE if k % 2 else OTHER_LANE) for k in range(10)))
    while scene.queue:
        batch = scene.run_one()
        assert {int(job_id[1:]) % 2 for job_id in jobs_of(batch)} in ({0}, {1})


def test_rule_3_a_mixed_batch_has_its_most_urgent_items_level() -> None:
    """A single image filled up with bulk goes at level 0."""
    scene = Scene()
    scene.worker()
    scene.learn(3.0, 0.25)
    scene.tell()
    scene.jobs(submission("bulk", 200), submission("single"))
    assert scene.queue[0].level == 0
    assert set(jobs_of(scene.queue[0])) == {"single", "bulk"}


# -- rule 4: tick ---------------------------------------------------------------------------------------------------


def test_rule_4_adaptive_lets_a_partial_batch_go_to_an_idle_worker_at_once() -> None:
    """A single request alone does not wait for company."""
    scene = Scene()
    scene.worker()
    scene.job("j")
    assert scene.sizes() == [1]


def test_rule_4_adaptive_queues_only_full_batches_ahead() -> None:
    """While the worker runs as urgent a batch, three singles wait for company; ten go."""
    scene = Scene()
    scene.worker()
    scene.job("first", 10)
    scene.claim()
    for k in range(9):
        scene.job(f"j{k}")
    assert scene.sizes() == []
    scene.job("tenth")
    assert scene.sizes() == [10]


def test_rule_4_adaptive_lets_a_partial_batch_overtake_bulk_that_runs() -> None:
    """A worker that runs something less urgent would hand back for it, so it goes at once."""
    scene = Scene()
    scene.worker()
    scene.job("bulk", 200)
    scene.claim()
    scene.job("single")
    assert scene.queue[0].items == [("single", 0)]


def test_rule_4_adaptive_lets_a_partial_batch_go_before_bulk_that_would_be_next() -> None:
    """The worker runs a level-0 batch and bulk waits in RQ: a single must get ahead of it."""
    scene = Scene()
    scene.worker()
    scene.job("first")
    scene.claim()
    scene.job("bulk", 200)
    assert [batch.level for batch in scene.queue] == [2]
    scene.job("single")
    assert [batch.level for batch in scene.queue] == [0, 2]


def test_rule_4_tick_mode_waits_for_the_tick_and_no_longer() -> None:
    """One request alone waits the idle tick; with a trickle of others, the tick at most."""
    scene = Scene(dispatch="tick", tick_ms=20, idle_tick_ms=5)
    scene.worker()
    scene.job("a")
    scene.later(4.9)
    assert not scene.queue
    scene.later(0.2)
    assert scene.sizes() == [1]
    scene.claim()
    for k in range(9):
        scene.job(f"j{k}")
        scene.later(3)
    assert [jobs_of(batch) for batch in scene.queue] == [[f"j{k}" for k in range(7)]]


def test_rule_4_tick_mode_lets_a_full_batch_go_at_once() -> None:
    """Ten waiting images are not held for the tick."""
    scene = Scene(dispatch="tick", tick_ms=500, idle_tick_ms=200)
    scene.worker()
    for k in range(10):
        assert not scene.queue
        scene.job(f"j{k}")
        scene.later(10)
    assert scene.sizes() == [10]


def test_rule_4_tick_mode_keeps_a_worker_for_what_waits_for_its_tick() -> None:
    """Bulk does not take the only idle worker away from a single image in its tick."""
    scene = Scene(dispatch="tick")
    scene.worker()
    scene.jobs(submission("single"), submission("bulk", 200))
    assert not scene.queue
    scene.later(5)
    assert [batch.level for batch in scene.queue] == [0, 2]
