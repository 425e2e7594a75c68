"""The scheduler's rules, one after the other, as DESIGN numbers them."""

import pytest

from scheduler.core.decisions import PromoteBatch, TraceKind
from scheduler.core.events import TimePassed
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


# -- rule 5: round robin --------------------------------------------------------------------------------------------


def test_rule_5_two_clients_of_one_level_take_turns() -> None:
    """Two 50-image jobs of two clients advance together."""
    scene = Scene()
    scene.worker()
    scene.jobs(submission("a", 50), submission("b", 50))
    assert [jobs_of(scene.run_one())[0] for _ in range(8)] == ["a", "b"] * 4


def test_rule_5_a_client_with_many_jobs_has_the_share_of_one_client() -> None:
    """Five jobs of one client and one of another: every second batch is the other's."""
    scene = Scene()
    scene.worker()
    scene.jobs(*(submission(f"a{k}", 50, client="a") for k in range(5)), submission("b", 50, client="b"))
    first = [jobs_of(scene.run_one())[0] for _ in range(10)]
    assert first.count("b") == 5
    assert {name for name in first if name != "b"} == {f"a{k}" for k in range(5)}


def test_rule_5_a_turn_goes_on_in_the_next_batch() -> None:
    """A turn of ten that met a batch with three free places has seven left."""
    scene = Scene(quantum=10)
    scene.worker()
    scene.job("busy", 10)
    scene.claim()
    scene.jobs(submission("a", 7, client="a"), submission("b", 9, client="b"), submission("c", 9, client="c"))
    assert scene.queue[0].items == [("a", k) for k in range(7)] + [("b", k) for k in range(3)]
    scene.claim()
    scene.job("more", 4)
    assert jobs_of(scene.queue[0])[:2] == ["b", "c"]


def test_rule_5_the_client_whose_turn_it_is_decides_the_lane() -> None:
    """One ring spans the lanes: batches alternate between them when clients do."""
    scene = Scene()
    scene.worker()
    scene.jobs(submission("a", 50, lane=LANE), submission("b", 50, lane=OTHER_LANE))
    assert [scene.run_one().lane for _ in range(6)] == [LANE, OTHER_LANE] * 3


def test_rule_5_a_lane_without_workers_stops_nobody() -> None:
    """The ring's first lane has no worker: the next lane's job is served."""
    scene = Scene()
    scene.worker(lanes=[LANE])
    scene.job("stuck", 5, lane=OTHER_LANE)
    scene.job("served", 5)
    assert jobs_of(scene.queue[0]) == ["served"]


def test_rule_5_at_the_last_level_the_least_served_client_goes_first() -> None:
    """A client that was served a while alone lets a newcomer catch up by turns, not by waiting for it."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(*(submission(f"a{k}", 100, client="a") for k in range(3)), submission("b", 100, client="b"))
    names = [jobs_of(scene.run_one())[0][0] for _ in range(12)]
    assert names.count("b") == 6


# -- rule 6: feedback -----------------------------------------------------------------------------------------------


def test_rule_6_a_job_sinks_when_its_allotment_is_used_up() -> None:
    """A 60-image job enters at level 1, and after 50 images it goes on at level 2."""
    scene = Scene()
    scene.worker()
    scene.job("j", 60)
    assert [scene.run_one().level for _ in range(6)] == [1, 1, 1, 1, 1, 2]
    assert TraceKind.SANK in scene.traces("j")


def test_rule_6_splitting_a_bulk_job_into_single_images_gains_nothing() -> None:
    """Against one 500-image job, 500 single-image jobs of one client get about half of the service."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(submission("bulk", 500, client="a"), *(submission(f"s{k}", client="b") for k in range(500)))
    items = [job_id for _ in range(60) for job_id, _ in scene.run_one().items]
    assert 0.4 <= items.count("bulk") / len(items) <= 0.6
    assert TraceKind.HELD_DOWN in {kind for k in range(500) for kind in scene.traces(f"s{k}")}


def test_rule_6_a_lone_client_is_never_held_down() -> None:
    """One client's singles go at level 0 however much of its bulk ran before."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("bulk", 1000, client="a")
    for _ in range(50):
        scene.run_one()
    scene.job("single", client="a")
    assert scene.queue[0].items == [("single", 0)]
    assert scene.queue[0].level == 0


def test_rule_6_idle_time_is_not_banked() -> None:
    """A client that comes after an hour of another's work gets no hour of its own."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("old", 2000, client="a")
    for _ in range(100):
        scene.run_one()
    scene.job("new", 1000, client="b")
    names = [jobs_of(scene.run_one())[0] for _ in range(20)]
    assert 8 <= names.count("new") <= 12


def test_rule_6_a_lead_is_not_forgotten_by_pausing() -> None:
    """A client held down that has nothing waiting for a moment is still ahead when it returns."""
    scene = Scene(client_lead_ms=100)
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(submission("bulk", 500, client="a"), *(submission(f"s{k}", client="b") for k in range(20)))
    while any(job_id.startswith("s") for job_id in scene.core.jobs):
        scene.run_one()
    ahead = scene.core.pools["net"].time.clients["b"].service_ms
    scene.job("again", client="b")
    assert scene.core.pools["net"].time.clients["b"].service_ms >= ahead


def test_rule_6_high_jobs_are_charged_but_not_held() -> None:
    """A client far ahead still has its high job served at level 0."""
    scene = Scene(client_lead_ms=100)
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(submission("bulk", 500, client="a"), *(submission(f"s{k}", client="b") for k in range(100)))
    for _ in range(6):
        scene.run_one()
    assert scene.level("s99") == 2
    before = scene.core.pools["net"].time.clients["b"].service_ms
    scene.job("high", client="b", priority=HIGH)
    assert scene.level("high") == 0
    assert scene.run_one().level == 0
    assert scene.core.pools["net"].time.clients["b"].service_ms > before


def test_rule_6_low_work_holds_nobody_down() -> None:
    """A client whose only waiting work is low is not whom the others are compared with."""
    scene = Scene(client_lead_ms=100)
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("low", 500, client="a", priority=LOW)
    for k in range(100):
        scene.job(f"s{k}", client="b")
    for _ in range(6):
        scene.run_one()
    assert scene.level("s99") == 0


# -- rule 7: strict order, filled -----------------------------------------------------------------------------------


def test_rule_7_the_highest_level_goes_first() -> None:
    """Of three levels that came together, batches are claimed from the top."""
    scene = Scene()
    scene.worker()
    sizes = {"bulk": 200, "middle": 40, "single": 3}
    scene.jobs(*(submission(name, size, client="one") for name, size in sizes.items()))
    assert [scene.run_one().level for _ in range(5)] == [0, 1, 1, 1, 1]


def test_rule_7_free_places_are_filled_while_that_is_cheap() -> None:
    """With 0.25 ms an item nine places are filled; with 2 ms two are, with 20 ms none."""
    for item_ms, size in ((0.25, 10), (2.0, 3), (20.0, 1)):
        scene = Scene()
        scene.worker()
        scene.learn(3.0, item_ms)
        scene.jobs(submission("bulk", 200), submission("single"))
        assert scene.sizes()[0] == size


def test_rule_7_nothing_is_filled_before_anything_was_measured() -> None:
    """An unknown device gets no filling."""
    scene = Scene()
    scene.worker()
    scene.jobs(submission("bulk", 200), submission("single"))
    assert scene.sizes()[0] == 1


# -- rule 8: aging --------------------------------------------------------------------------------------------------


def _flood(scene: Scene, until_ms: float) -> None:
    """Keep 20 images of level 0 waiting and run batches until ``until_ms``."""
    sent = 0
    while scene.now_ms < until_ms:
        while sent < 20 + sum(len(batch.items) for batch in scene.known.values()):
            scene.job(f"flood{sent}", client="flood")
            sent += 1
        scene.run_one()


def test_rule_8_a_starved_job_has_one_turn_at_level_0_and_goes_home() -> None:
    """Under a stream of level-0 work a low job is served after it aged, ten images of it, then waits again."""
    scene = Scene()
    scene.worker()
    scene.job("low", 30, priority=LOW, client="slow")
    _flood(scene, 3500)
    served = scene.core.jobs["low"].done
    assert 10 <= served <= 20
    kinds = scene.traces("low")
    assert TraceKind.AGED in kinds
    assert scene.level("low") == 2
    _flood(scene, 9000)
    assert "low" not in scene.core.jobs


def test_rule_8_waiting_batches_of_an_aged_job_move_up() -> None:
    """A batch that waits in RQ at level 2 is promoted when its job ages, in the place of its turn."""
    scene = Scene()
    scene.worker()
    scene.job("first", 10, client="flood")
    scene.claim()
    scene.job("low", 5, priority=LOW, client="slow")
    scene.job("low2", 5, priority=LOW, client="slow2")
    low = scene.queue[-1]
    assert low.level == 2
    scene.later(2000)
    moved = [one for one in scene.decisions if isinstance(one, PromoteBatch)]
    assert [(one.batch_id, one.from_level, one.to_level) for one in moved] == [(low.batch_id, 2, 0)]
    assert TraceKind.MOVED in scene.traces("low")


def test_rule_8_being_claimed_ends_the_wait() -> None:
    """A job of which a micro-batch started is not aged until it waited anew."""
    scene = Scene()
    scene.worker()
    scene.job("bulk", 100)
    scene.later(1500)
    scene.claim()
    scene.later(1900)
    assert TraceKind.AGED not in scene.traces("bulk")
    scene.later(200)
    assert TraceKind.AGED in scene.traces("bulk")


def test_rule_8_plain_round_robin_does_not_look_like_starving() -> None:
    """Twenty bulk clients wait four seconds between their turns and none of them ages."""
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(*(submission(f"b{k}", 200) for k in range(20)))
    for _ in range(100):
        scene.run_one()
    assert not any(TraceKind.AGED in scene.traces(f"b{k}") for k in range(20))


def test_rule_8_an_aged_job_is_not_held_down() -> None:
    """Of a client that is held down an aged job still has its turn at level 0."""
    scene = Scene(client_lead_ms=100, boost_after_ms=1000)
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(submission("bulk", 4000, client="a"), *(submission(f"s{k}", client="b") for k in range(30)))
    while scene.core.pools["net"].time.clients["b"].held is False:
        scene.run_one()
    scene.later(60_000)
    assert any(TraceKind.AGED in scene.traces(f"s{k}") for k in range(30))
    assert any(scene.level(f"s{k}") == 0 for k in range(30) if f"s{k}" in scene.core.jobs)


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
