"""Rules 9 to 13 as DESIGN numbers them: late binding, preemption, admission, cancellation, poison."""

from scheduler.core.events import TimePassed
from tests.unit.scheduler.core.scene import LANE, Scene, jobs_of, submission

# -- rule 9: late binding -------------------------------------------------------------------------------------------


def test_rule_9_one_batch_a_worker_beyond_those_that_start_at_once() -> None:
    """Two idle workers get two batches to start and two ahead."""
    scene = Scene()
    scene.worker("w1")
    scene.worker("w2")
    scene.job("bulk", 200)
    assert len(scene.queue) == 4
    scene.claim("w1")
    scene.claim("w2")
    assert len(scene.queue) == 2


def test_rule_9_lower_levels_never_count_against_higher_ones() -> None:
    """With bulk queued ahead, an urgent batch is queued too and overtakes it."""
    scene = Scene()
    scene.worker()
    scene.job("bulk", 200)
    scene.claim()
    assert [batch.level for batch in scene.queue] == [2]
    scene.job("urgent", 10)
    assert [batch.level for batch in scene.queue] == [0, 2]


def test_rule_9_higher_levels_count_against_lower_ones() -> None:
    """With an urgent batch queued ahead of the only worker, no bulk is queued behind it."""
    scene = Scene()
    scene.worker()
    scene.jobs(submission("first", 10), submission("second", 10), submission("bulk", 200))
    assert [batch.level for batch in scene.queue] == [0, 0]


def test_rule_9_nothing_is_dispatched_without_workers() -> None:
    """Work waits in the core until somebody can take it."""
    scene = Scene()
    scene.job("j", 25)
    assert not scene.queue
    scene.worker()
    assert scene.sizes() == [10, 10]
    scene.worker_leaves()
    scene.claim("w")
    assert scene.sizes() == [10]


def test_rule_9_a_reserved_worker_takes_its_levels_only() -> None:
    """A worker of level 0 is no credit for bulk, and a single goes to it at once while bulk runs elsewhere."""
    scene = Scene()
    scene.worker("reserved", levels=[0])
    scene.job("bulk", 200)
    assert not scene.queue
    scene.worker("general")
    assert len(scene.queue) == 2
    scene.claim("general")
    scene.job("single")
    assert scene.queue[0].items == [("single", 0)]


# -- rule 10: hand-back ---------------------------------------------------------------------------------------------


def test_rule_10_the_rest_of_a_preempted_batch_goes_first_again() -> None:
    """What is handed back is the head of its job, its client and its ring, with the unused turn."""
    scene = Scene()
    scene.worker()
    scene.jobs(submission("a", 40), submission("b", 40))
    first = scene.claim()
    scene.end(first, left=list(range(4, 10)))
    assert jobs_of(first) == ["a"]
    scene.run_one()
    again = scene.queue[0]
    assert again.items[:6] == [("a", k) for k in range(4, 10)]
    assert jobs_of(again) == ["a", "b"]


def test_rule_10_what_did_not_run_is_not_charged() -> None:
    """A client pays for the images that ran, at their measured price."""
    scene = Scene()
    scene.worker()
    scene.job("a", 40, client="a")
    before = scene.claim()
    scene.end(before, left=range(4, 10), pieces=[(2, 30.0), (2, 30.0)])
    batches = list(scene.queue)
    in_flight = sum(len(batch.items) for batch in batches)
    charged = scene.core.pools["net"].time.clients["a"].service_ms
    per_item = scene.core.pools["net"].item_ms[LANE]
    assert charged <= 60.0 + in_flight * per_item + 1e-6


# -- rule 11: deadlines ---------------------------------------------------------------------------------------------


def test_rule_11_a_job_whose_deadline_passes_while_it_waits_expires() -> None:
    """The rest of the job is dropped and never dispatched."""
    scene = Scene()
    scene.worker()
    scene.job("j", 100, deadline_ms=500.0)
    scene.claim()
    scene.later(600)
    assert scene.expired() == ["j"]
    assert "j" not in scene.core.jobs
    scene.queue.clear()
    scene.tell(TimePassed())
    assert not scene.queue


def test_rule_11_a_job_that_has_started_wholly_does_not_expire() -> None:
    """A deadline stops what waits, not what runs."""
    scene = Scene()
    scene.worker()
    scene.job("j", 5, deadline_ms=100.0)
    batch = scene.claim()
    scene.later(200)
    assert not scene.expired()
    scene.end(batch)
    assert not scene.expired()


def test_rule_11_what_is_handed_back_after_the_deadline_expires() -> None:
    """The rest of a preempted batch does not wait beyond its job's deadline."""
    scene = Scene()
    scene.worker()
    scene.job("j", 5, deadline_ms=100.0)
    batch = scene.claim()
    scene.later(200)
    scene.end(batch, left=[3, 4])
    assert scene.expired() == ["j"]
    assert not scene.queue


# -- rule 12: cancellation ------------------------------------------------------------------------------------------


def test_rule_12_cancellation_drops_what_waits() -> None:
    """After the cancel no further image of the job is dispatched."""
    scene = Scene()
    scene.worker()
    scene.job("j", 100)
    scene.cancel("j")
    first, second = scene.claim(dropped=range(10)), scene.claim(dropped=range(10))
    scene.end(first, pieces=[])
    scene.lose(second, left=[])
    assert not scene.queue
    assert not scene.core.batches


def test_rule_12_dropped_images_of_a_live_job_are_settled() -> None:
    """A claim may know of a cancel before the core does."""
    scene = Scene()
    scene.worker()
    scene.job("j", 10)
    scene.end(scene.claim(dropped=range(10)), pieces=[])
    assert "j" not in scene.core.jobs
    scene.cancel("j")
    assert not scene.queue


# -- rule 13: poison ------------------------------------------------------------------------------------------------


def test_rule_13_what_lost_two_workers_runs_alone() -> None:
    """Of a lost batch the suspect goes in a batch of one, the others together."""
    scene = Scene()
    scene.worker()
    scene.job("j", 10)
    scene.lose(scene.claim(), left=range(10), alone=[4])
    assert scene.run_one().items == [("j", 4)]
    assert scene.run_one().items == [("j", index) for index in range(10) if index != 4]


def test_rule_13_a_third_loss_ends_the_image() -> None:
    """A failed position is final; the job is over when nothing else is open."""
    scene = Scene()
    scene.worker()
    scene.job("j", 2)
    scene.lose(scene.claim(), left=[0, 1], alone=[1])
    while scene.queue:
        batch = scene.claim()
        if batch.items == [("j", 1)]:
            scene.lose(batch, left=[], failed=[0])
        else:
            scene.end(batch)
    assert "j" not in scene.core.jobs
