"""Rules 5 to 8 as DESIGN numbers them: turns, feedback, strict order and filling, aging."""

from scheduler.core.decisions import PromoteBatch, TraceKind
from tests.unit.scheduler.core.scene import HIGH, LANE, LOW, OTHER_LANE, Scene, jobs_of, submission

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
