"""Values in Redis: each is stored once or fails by name, whoever dies or comes late, and nothing of it is left over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from rq.registry import CanceledJobRegistry, FailedJobRegistry

from inference_worker.values.creating import attempt, create
from tenfold.contract.errors import LeadershipLost, Unavailable
from tenfold.contract.states import RunState
from tenfold.store.values_worker_store import Outcome
from tests.integration.store.values_world import RUN_TTL_S, ValuesWorld, failed


@pytest.fixture
def values(redis_url: str) -> Iterator[ValuesWorld]:
    world = ValuesWorld(redis_url)
    yield world
    world.close()


def test_run_ends_with_all_of_its_values(values: ValuesWorld) -> None:
    """A run is running until its last value is stored, then succeeded; its values are there and nothing waits."""
    began_ms = values.generate("r", [float(i) for i in range(50)])
    assert values.run("r").state is RunState.RUNNING
    values.move(began_ms + 10_000)
    assert values.settle(30, now_ms=began_ms + 100) == 30
    run = values.run("r")
    assert (run.state, run.stored, run.finished_ms) == (RunState.RUNNING, 30, None)
    assert values.settle(now_ms=began_ms + 200) == 20
    run = values.run("r")
    assert (run.state, run.stored, run.late, run.failed) == (RunState.SUCCEEDED, 50, 0, 0)
    assert run.finished_ms == int(began_ms + 200)
    assert values.ask("total") == 50
    assert 0 < values.client.ttl(values.keys.run("r")) <= RUN_TTL_S


def test_only_what_is_due_is_moved(values: ValuesWorld) -> None:
    """A value stays where it is until its moment, and the next moment is known to the thousandth."""
    began_ms = values.generate("r", [10.0, 20.0, 30.5])
    values.due.wake()
    values.due.move(values.token, began_ms + 20)
    assert values.queue.job_ids == ["r-0", "r-1"]
    assert values.due.next_due_ms() == pytest.approx(began_ms + 30.5)


def test_rqs_own_view_shows_a_waiting_value(values: ValuesWorld) -> None:
    """RQ itself finds the job in its queue: queued, JSON, ids alone."""
    began_ms = values.generate("r", [0.0])
    values.move(began_ms)
    job = values.rq_job("r-0")
    assert (job.func_name, job.args, job.kwargs) == ("inference_worker.values.store", ["r", 0], {})
    assert job.get_status() == "queued"
    assert job.origin == "tenfold:values"


def test_runs_add_up(values: ValuesWorld) -> None:
    """Several runs at once count each its own values, and their values add up."""
    for number in range(3):
        began_ms = values.generate(f"r{number}", [float(i) for i in range(10 + number)])
    values.move(began_ms + 10_000)
    values.settle_all()
    assert [values.run(f"r{number}").stored for number in range(3)] == [10, 11, 12]
    assert values.ask("total") == 33


def test_same_request_twice_is_one_run(values: ValuesWorld) -> None:
    """A request that redis-py sends again after a lost reply begins no second run."""
    began_ms = values.generate("r", [1.0, 2.0])
    assert values.generate("r", [3.0, 4.0]) == began_ms
    assert values.client.zcard(values.keys.values_due) == 2


def test_same_settling_twice_stores_once(values: ValuesWorld) -> None:
    """A worker whose answer was lost sends the same values again: none is stored twice, the rest goes on."""
    began_ms = values.generate("r", [0.0] * 6)
    values.move(began_ms)
    outcomes = [attempt(create) for _ in range(4)]
    worker = values.worker()
    assert worker.settle(outcomes, 0.0) == 4
    assert worker.settle(outcomes, 0.0) == 0
    assert (values.run("r").stored, values.ask("total")) == (4, 4)
    assert values.settle() == 2
    assert values.run("r").state is RunState.SUCCEEDED


def test_id_listed_twice_is_stored_once(values: ValuesWorld) -> None:
    """A value whose id stands twice in RQ's list is stored once."""
    began_ms = values.generate("r", [0.0, 0.0])
    values.move(began_ms)
    values.queue.push_job_id("r-0")
    values.settle_all()
    assert (values.run("r").stored, values.ask("total")) == (2, 2)
    assert values.queue.job_ids == []


def test_stale_leaders_jobs_are_dropped(values: ValuesWorld) -> None:
    """What a scheduler that leads no longer enqueues is refused, and its RQ jobs store nothing and leave nothing."""
    began_ms = values.generate("r", [0.0])
    values.leader.resign(values.token)
    values.due.wake()
    with pytest.raises(LeadershipLost):
        values.due.move(values.token, began_ms + 1)
    assert values.queue.job_ids == ["r-0"]
    assert values.settle() == 0
    assert not values.client.exists("rq:job:r-0")
    values.token = values.leader.lead("") or ""
    values.move(began_ms + 1)
    values.settle_all()
    assert values.run("r").stored == 1


def test_due_while_no_worker_lived_is_late(values: ValuesWorld) -> None:
    """What came due before the storing worker joined counts late, what came due after does not."""
    began_ms = values.generate("r", [100.0, 200.0, 300.0, 400.0])
    values.move(began_ms + 400)
    assert values.settle(now_ms=began_ms + 500, joined_ms=began_ms + 250) == 4
    assert values.run("r").late == 2


def test_due_while_another_worker_lived_is_not_late(values: ValuesWorld) -> None:
    """A worker that has just joined may store what came due before, as long as another lived at that moment."""
    began_ms = values.generate("r", [100.0, 900.0])
    values.move(began_ms + 1000)
    values.worker("old", began_ms + 500).beat(began_ms)
    assert values.settle(now_ms=began_ms + 1100, joined_ms=began_ms + 1000, name="new") == 2
    assert values.run("r").late == 1


def test_stored_after_the_window_is_late(values: ValuesWorld) -> None:
    """What is stored after the window has ended is late, whoever lived."""
    began_ms = values.generate("r", [100.0, 200.0], window_ms=1000.0)
    values.move(began_ms + 200)
    assert values.settle(1, now_ms=began_ms + 999) == 1
    assert values.settle(1, now_ms=began_ms + 1001) == 1
    assert values.run("r").late == 1


def test_failed_value_is_named_with_its_reason(values: ValuesWorld) -> None:
    """A value that cannot be made fails alone: the run names it, RQ's tools show it, the others are stored."""
    began_ms = values.generate("r", [0.0, 1.0, 2.0])
    values.move(began_ms + 2)
    outcomes = [attempt(create), failed("OSError: no entropy"), attempt(create)]
    assert values.worker().settle(outcomes, 0.0) == 3
    run = values.run("r")
    assert (run.state, run.stored, run.failed) == (RunState.SUCCEEDED, 2, 1)
    (error,) = run.errors
    assert (error.index, error.code, error.message) == (1, "value_failed", "OSError: no entropy")
    assert FailedJobRegistry(queue=values.queue).get_job_ids(cleanup=False) == ["r-1"]
    assert values.rq_job("r-1").get_status() == "failed"


def test_run_of_failures_has_failed(values: ValuesWorld) -> None:
    """A run of which nothing was stored has failed."""
    began_ms = values.generate("r", [0.0])
    values.move(began_ms)
    assert values.worker().settle([failed("OSError: no entropy")], 0.0) == 1
    assert values.run("r").state is RunState.FAILED


def test_no_room_for_values_fails_them_by_name(values: ValuesWorld) -> None:
    """Beyond the bound of bytes nothing is stored: the run says so, and a client's own value is refused."""
    values.stored_bytes_max = 600
    began_ms = values.generate("r", [0.0] * 4)
    values.move(began_ms)
    values.settle_all()
    run = values.run("r")
    assert (run.stored, run.failed) == (2, 2)
    assert {error.code for error in run.errors} == {"values_full"}
    with pytest.raises(Unavailable, match="TENFOLD_STORED_VALUES_BYTES_MAX"):
        values.ask("put", "k", "v" * 400)
    assert values.ask("delete_all") == 2
    assert values.ask("put", "k", "v" * 300)


def test_too_many_waiting_values_are_refused_until_there_is_room(values: ValuesWorld) -> None:
    """Beyond the bound of waiting values a run is refused, with the moment at which there will be room for it."""
    values.waiting_max = 10
    values.generate("r", [1000.0 * i for i in range(1, 9)])
    with pytest.raises(Unavailable, match="8 values wait") as refused:
        values.generate("s", [1.0] * 5)
    assert refused.value.retry_after_s == pytest.approx(3, abs=0.5)
    values.generate("t", [1.0] * 2)


def test_deleted_job_fails_by_name(values: ValuesWorld) -> None:
    """A value whose RQ job somebody deleted fails with that reason at the next sweep, and its run ends."""
    began_ms = values.generate("r", [0.0, 0.0])
    values.move(began_ms)
    values.rq_job("r-0").delete()
    assert values.reap() == 1
    values.settle_all()
    run = values.run("r")
    assert (run.state, run.stored, run.failed) == (RunState.SUCCEEDED, 1, 1)
    assert [(error.index, error.code) for error in run.errors] == [(0, "job_deleted")]


def test_canceled_job_fails_by_name(values: ValuesWorld) -> None:
    """A value whose RQ job somebody canceled with RQ's own tools is not stored, and its run says why."""
    began_ms = values.generate("r", [0.0])
    values.move(began_ms)
    values.rq_job("r-0").cancel()
    values.settle_all()
    assert values.reap() == 1
    run = values.run("r")
    assert (run.state, run.errors[0].code) == (RunState.FAILED, "job_canceled")
    assert CanceledJobRegistry(queue=values.queue).get_job_ids(cleanup=False) == []


def test_value_that_fell_out_of_its_queue_is_put_back(values: ValuesWorld) -> None:
    """A value that a stranger popped and died with is stored all the same."""
    began_ms = values.generate("r", [0.0])
    values.move(began_ms)
    values.client.lpop("rq:queue:tenfold:values")
    assert values.settle() == 0
    assert values.reap() == 1
    assert values.reap() == 0
    assert values.settle() == 1


def test_value_that_a_stranger_keeps_is_given_up(values: ValuesWorld) -> None:
    """A value whose RQ job a stock worker took and never ended fails by name after a minute."""
    began_ms = values.generate("r", [0.0])
    values.move(began_ms)
    values.client.lpop("rq:queue:tenfold:values")
    values.client.hset("rq:job:r-0", "status", "started")
    assert values.reap(now_ms=began_ms + 30_000) == 0
    assert values.reap(now_ms=began_ms + 61_000) == 1
    assert values.run("r").errors[0].code == "job_taken"


def test_reaper_of_a_former_leader_is_refused(values: ValuesWorld) -> None:
    """A scheduler that leads no longer takes nothing back."""
    values.leader.resign(values.token)
    with pytest.raises(LeadershipLost):
        values.reap()


def test_doorbell_rings_and_is_quiet_again(values: ValuesWorld) -> None:
    """A move wakes a waiting worker; once the queue is empty nothing is left to ring."""
    assert not values.worker().wait(0.01)
    began_ms = values.generate("r", [0.0, 1.0])
    values.move(began_ms)
    values.move(began_ms + 1)
    assert values.worker().wait(1)
    assert values.settle() == 2
    assert not values.client.exists(values.keys.values_doorbell)


def test_killed_worker_is_forgotten(values: ValuesWorld) -> None:
    """The record of a worker whose beat stopped is dropped by the sweep."""
    values.worker("gone", values.now_ms() - 20_000).beat(0.0)
    values.worker("here").beat(0.0)
    values.due.sweep(values.token, values.now_ms())
    assert values.client.hkeys(values.keys.values_workers) == [b"here"]


def test_nothing_is_left_of_a_hundred_runs(values: ValuesWorld) -> None:
    """After a hundred runs, some with failures, and deleting all values, Redis has the keys that it had before, RQ's
    registries included, once the runs' lifetime has passed.
    """
    values.client.sadd("rq:queues", "rq:queue:tenfold:values")
    values.client.xadd(values.keys.events, {"e": "?"})
    before = values.all_keys()
    for number in range(100):
        began_ms = values.generate(f"r{number}", [0.0] * 5)
        values.move(began_ms)
        if number % 10 == 0:
            values.worker().settle([failed("x"), attempt(create)], 0.0)
        values.settle_all()
    assert values.ask("total") == 490
    assert values.ask("delete_all") == 490
    lasting = values.all_keys() - before
    lifetimes_s = {key: values.client.ttl(key) for key in lasting}
    # -2: its time has passed since it was listed.
    assert all(one == -2 or 0 <= one <= RUN_TTL_S + 1 for one in lifetimes_s.values()), lifetimes_s
    soon = threading.Event()
    while left := values.all_keys() - before:
        assert all(values.client.ttl(key) != -1 for key in left), left
        soon.wait(0.1)


def test_random_values_are_distinct_and_at_most_what_there_is(values: ValuesWorld) -> None:
    """A sample has no value twice; asking for more than there is gives all, for nothing nothing."""
    for number in range(20):
        values.ask("put", str(number), f"v{number}")
    some = values.ask("sample", 5).read
    assert len(some) == 5
    assert all(some[key] == f"v{key}" for key in some)
    assert len(values.ask("sample", 100).read) == 20
    assert values.ask("sample", 0).read == {}


def test_large_sample_is_read_in_slices(values: ValuesWorld) -> None:
    """A sample whose values together are too large for one step names those that are still to be read."""
    for number in range(6):
        values.ask("put", str(number), "x" * 2**20)
    sample = values.ask("sample", 6)
    seen = dict(sample.read)
    assert len(seen) == 4
    while sample.rest:
        sample = values.ask("read", sample.rest)
        seen.update(sample.read)
    assert set(seen) == {str(number) for number in range(6)}


def test_pages_list_each_value_once_while_others_come_and_go(values: ValuesWorld) -> None:
    """Going through the pages meets every value that stays exactly once."""
    pipe = values.client.pipeline()
    for number in range(2500):
        pipe.set(values.keys.value_prefix + f"{number:05}", "v")
        pipe.zadd(values.keys.values, {f"{number:05}": 0})
    pipe.execute()
    met: list[str] = []
    after = None
    while True:
        page = values.ask("page", after)
        met += page.read
        if page.last is None:
            break
        values.ask("put", f"0000{len(met)}-new", "v")
        values.ask("delete", f"{len(met) + 5:05}")
        after = page.last
    assert len(met) == len(set(met))
    assert {f"{n:05}" for n in range(2500)} - set(met) == {"01005", "02005"}


def test_replacing_and_deleting_keep_the_books(values: ValuesWorld) -> None:
    """The counter of stored bytes follows every put and delete, and is gone with the last value."""
    assert values.ask("put", "a", "x")
    assert not values.ask("put", "a", "é" * 100)
    assert int(values.client.hget(values.keys.totals, "value_bytes")) == 1 + 200 + 200
    assert values.ask("put", "b", "")
    assert values.ask("get", "b") == ""
    assert values.ask("delete", "a") == "é" * 100
    assert values.ask("delete", "a") is None
    assert values.ask("delete_random", 10) == 1
    assert not values.client.exists(values.keys.totals)
    assert values.ask("total") == 0


@pytest.mark.parametrize("key", ["a:b", "é ü 字", "a b", "%", "-", "(", "[", "+", "\x00\n", "{p}", "values:run:r"])
def test_any_key_text_works(values: ValuesWorld, key: str) -> None:
    """Whatever text a key is, its value is found, sampled, listed and deleted under it."""
    assert values.ask("put", key, "v")
    assert values.ask("get", key) == "v"
    assert values.ask("sample", 1).read == {key: "v"}
    assert values.ask("page", None).read == {key: "v"}
    assert values.ask("delete", key) == "v"
    assert values.ask("total") == 0


def test_deleting_all_touches_nothing_else(values: ValuesWorld) -> None:
    """Deleting all values leaves RQ, runs and jobs alone."""
    began_ms = values.generate("r", [0.0] * 3)
    values.move(began_ms)
    values.settle(1)
    values.client.set("somebody:else", 1)
    assert values.ask("delete_all") == 1
    assert len(values.queue.job_ids) == 2
    assert values.client.exists("somebody:else")
    values.settle_all()
    assert values.ask("total") == 2


def test_an_outcome_without_a_value_waiting_is_not_spent(values: ValuesWorld) -> None:
    """What a worker brought for nobody is stored nowhere."""
    assert values.worker().settle([Outcome("stored", "k", "v")], 0.0) == 0
    assert values.ask("total") == 0


def test_what_waits_and_who_serves_it_can_be_seen(values: ValuesWorld) -> None:
    """What is to come, what is due and since when, what is stored, and the workers that have beaten lately."""
    began_ms = values.generate("r", [100.0, 200.0, 900.0])
    values.move(began_ms + 250)
    values.worker("alive").beat(began_ms)
    values.worker("dead", int(began_ms) - 20_000).beat(began_ms - 30_000)
    standing = values.ask("standing", 15_000.0)
    assert (standing.to_come, standing.queued, standing.stored) == (1, 2, 0)
    assert standing.oldest_due_ms == pytest.approx(began_ms + 100, abs=0.01)
    assert [(worker.name, worker.joined_ms, worker.host) for worker in standing.workers] == [("alive", began_ms, None)]
    values.settle()
    after = values.ask("standing", 15_000.0)
    assert (after.queued, after.oldest_due_ms, after.stored) == (0, None, 2)
