"""What keeps Redis bounded: nothing that is over stays, and nothing that is needed goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tenfold.contract.errors import Conflict, StoreUnavailable
from tenfold.contract.states import JobState
from tenfold.store.caretaker import IMAGES_SWEPT_MAX, SLICE, Caretaker
from tenfold.store.server import Needs, check_server
from tenfold.store.upload_store import UploadStep
from tests.integration.store.store_world import World


def caretaker(world: World, **changes: Any) -> Caretaker:
    bounds: dict[str, Any] = {
        "keep_images_s": 60.0,
        "kept_bytes_max": 10**6,
        "result_ttl_s": 100,
        "result_bytes_max": 10**6,
    }
    return Caretaker(world.client, world.keys, **{**bounds, **changes})


def run_job(world: World, job_id: str, count: int) -> None:
    world.submit(job_id, count)
    world.dispatch(f"1-{job_id}", [(job_id, index) for index in range(count)])
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    world.finish(worker, claim)


def now_ms(world: World) -> float:
    seconds, micros = world.client.time()
    return float(seconds * 1000 + micros / 1000)


def on_a_bad_line(world: World) -> Any:
    """A client that loses the reply to whatever it changes, and sends it again."""
    seen: set[bytes] = set()

    # A socket of a file or of the network, as the server has it: only known at run time.
    class BadLine(world.client.connection_pool.connection_class):  # type: ignore[name-defined, misc]
        def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            super().send_packed_command(command, check_health)
            words = b"".join(command)
            if (b"EVAL" in words or b"EXEC" in words) and words not in seen:
                seen.add(words)
                self.read_response()
                self.disconnect()
                raise RedisConnectionError("the reply was lost")

    return Redis.from_url(world.url, connection_class=BadLine, retry=Retry(NoBackoff(), 2))


def test_what_is_sent_twice_is_counted_once(world: World) -> None:
    """After replies that were lost the counts of bytes are as if they had come: the bounds hold by them."""
    for job_id in "abc":
        run_job(world, job_id, 1)
    a_result = int(world.client.hget(world.keys.totals, "result_bytes")) // 3
    with on_a_bad_line(world) as client:
        care = replace(caretaker(world, kept_bytes_max=6, result_bytes_max=2 * a_result), client=client)
        care.drop_kept_images(now_ms(world))
        care.drop_results()
        assert world.client.hgetall(world.keys.totals) == {
            b"kept_bytes": b"6",
            b"result_bytes": str(2 * a_result).encode(),
        }
        care.drop_old_jobs(now_ms(world) + 101_000)
    assert world.client.hget(world.keys.totals, "result_bytes") == b"0"
    assert not world.client.exists(world.keys.jobs, world.keys.finished, world.keys.emptied)


def test_kept_images_go_oldest_first_beyond_the_bound(world: World) -> None:
    """Kept images stay under the bound of bytes, and the newest stay."""
    run_job(world, "a", 3)
    run_job(world, "b", 3)
    care = caretaker(world, kept_bytes_max=9)
    assert care.drop_kept_images(now_ms(world)) == 3
    assert [world.client.exists(world.keys.blob("a", i)) for i in range(3)] == [0, 0, 0]
    assert [world.client.exists(world.keys.blob("b", i)) for i in range(3)] == [1, 1, 1]
    assert world.client.hget(world.keys.totals, "kept_bytes") == b"9"


def test_kept_images_go_when_their_time_is_over(world: World) -> None:
    """After keep_images_s nothing of an image is left, nor a trace in the index."""
    run_job(world, "a", 2)
    assert caretaker(world).drop_kept_images(now_ms(world) + 61_000) == 2
    assert world.client.zcard(world.keys.kept) == 0
    assert world.client.hget(world.keys.totals, "kept_bytes") == b"0"


@pytest.mark.parametrize("too_old", [True, False])
def test_kept_images_are_dropped_as_fast_as_a_gpu_makes_them(world: World, *, too_old: bool) -> None:
    """One round keeps up with what thousands of images a second leave, by their time and by the bound of bytes."""
    count = 3 * SLICE
    world.client.zadd(world.keys.kept, {f"a:{index}:3": index for index in range(count)})
    world.client.hset(world.keys.totals, "kept_bytes", 3 * count)
    care = caretaker(world, kept_bytes_max=10**6 if too_old else 0, keep_images_s=0.0 if too_old else 1e10)
    assert care.drop_kept_images(now_ms(world)) == count
    assert world.client.hget(world.keys.totals, "kept_bytes") == b"0"


def test_results_go_oldest_job_first_beyond_the_bound(world: World) -> None:
    """Over the bound of result bytes the oldest final job loses its results and says so."""
    run_job(world, "a", 3)
    run_job(world, "b", 3)
    total = int(world.client.hget(world.keys.totals, "result_bytes"))
    assert caretaker(world, result_bytes_max=total - 1).drop_results() == 1
    assert world.client.exists(world.keys.results("a")) == 0
    assert world.client.exists(world.keys.results("b")) == 1
    assert world.ask("job", "a").results_gone
    assert int(world.client.hget(world.keys.totals, "result_bytes")) == total // 2


def test_results_are_dropped_as_fast_as_jobs_end(world: World) -> None:
    """One round keeps the bound where more jobs end in a second than it drops at once."""
    count = 3 * SLICE
    world.client.zadd(world.keys.finished, {f"j{number} c 1": number for number in range(count)})
    world.client.hset(world.keys.totals, "result_bytes", count)
    assert caretaker(world, result_bytes_max=10).drop_results() == count - 10
    assert world.client.hget(world.keys.totals, "result_bytes") == b"10"


def test_jobs_without_results_do_not_shield_the_others(world: World) -> None:
    """However many older jobs have no results (any more), the bound of result bytes is kept, and they leave in time."""
    older = SLICE + 2
    world.client.zadd(world.keys.finished, {f"gone{n} c 0": n for n in range(older)})
    run_job(world, "a", 1)
    care = caretaker(world, result_bytes_max=0)
    assert care.drop_results() == 1
    assert world.client.exists(world.keys.results("a")) == 0
    dropped = [care.drop_old_jobs(now_ms(world) + 101_000) for _ in range(2)]
    assert sum(dropped) == older + 1
    assert not world.client.exists(world.keys.finished, world.keys.emptied)


def test_jobs_leave_the_lists_with_their_keys(world: World) -> None:
    """Once a job's keys have run out, no list names it and its bytes are no longer counted."""
    run_job(world, "a", 1)
    assert caretaker(world).drop_old_jobs(now_ms(world)) == 0
    assert caretaker(world).drop_old_jobs(now_ms(world) + 101_000) == 1
    assert world.client.zcard(world.keys.jobs) == 0
    assert world.client.zcard(world.keys.jobs_of("c")) == 0
    assert world.client.hget(world.keys.totals, "result_bytes") == b"0"


def test_an_abandoned_upload_leaves_nothing(world: World) -> None:
    """What an upload stored before its client went away is swept."""
    before = set(world.client.keys("*"))
    world.ask("write_upload", UploadStep("u", "c", first=True, images=1, pieces=[(0, 0, b"abc")]), now_ms(world))
    assert caretaker(world).abandon_uploads(now_ms(world)) == 0
    world.ask("abandon_upload", "u")
    assert caretaker(world).abandon_uploads(now_ms(world)) == 1
    assert set(world.client.keys("*")) == before


def test_an_upload_that_became_a_job_is_not_abandoned(world: World) -> None:
    """A gateway that gives an upload up, although only an answer was lost, takes nothing of the job that it became."""
    world.submit("j", 2)
    world.ask("abandon_upload", "j")
    assert caretaker(world).abandon_uploads(now_ms(world)) == 0
    assert [meta.name for meta in world.ask("images", "j", 0, 2)] == ["0.jpg", "1.jpg"]
    assert [world.client.exists(world.keys.blob("j", i)) for i in range(2)] == [1, 1]


def test_what_comes_after_the_sweep_is_not_stored(world: World) -> None:
    """A gateway that was frozen while its upload was swept leaves nothing behind when it goes on."""
    before = set(world.client.keys("*"))
    world.ask("write_upload", UploadStep("u", "c", first=True, images=1, pieces=[(0, 0, b"abc")]), now_ms(world))
    assert caretaker(world).abandon_uploads(now_ms(world) + 61_000) == 1
    later = UploadStep("u", "c", first=False, images=2, pieces=[(0, 3, b"def"), (1, 0, b"ghi")])
    with pytest.raises(Conflict) as caught:
        world.ask("write_upload", later, now_ms(world))
    assert caught.value.code == "upload_expired"
    assert set(world.client.keys("*")) == before


def test_a_canceled_jobs_images_are_swept_but_for_those_that_ran(world: World) -> None:
    """Images that never ran go with their job; those with a result stay as long as any."""
    world.submit("j", 3)
    world.dispatch("1-1", [("j", 1)])
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    world.finish(worker, claim)
    world.ask("end_job", "j", JobState.CANCELED)
    assert caretaker(world).sweep_ended_jobs() == 1
    assert [world.client.exists(world.keys.blob("j", i)) for i in range(3)] == [0, 1, 0]
    assert world.client.exists(world.keys.sweeps) == 0


def test_crowds_of_refused_and_of_canceled_leave_nothing(world: World) -> None:
    """Hundreds of uploads given up and jobs canceled within a second, as under overload, are gone after one round."""
    crowd = 300
    pipe = world.client.pipeline()
    for number in range(crowd):
        pipe.hset(world.keys.upload(f"u{number}"), mapping={"client": "c", "images": 1})
        pipe.zadd(world.keys.uploads, {f"u{number}": 0})
        pipe.hset(world.keys.job(f"j{number}"), mapping={"total": 2})
        pipe.hset(world.keys.sweeps, f"j{number}", 0)
        for job_id, index in ((f"u{number}", 0), (f"j{number}", 0), (f"j{number}", 1)):
            pipe.set(world.keys.blob(job_id, index), b"abc")
    pipe.execute()
    care = caretaker(world)
    assert (care.abandon_uploads(now_ms(world)), care.sweep_ended_jobs()) == (crowd, crowd)
    assert not world.client.keys("tenfold:blob:*")
    assert not world.client.exists(world.keys.uploads, world.keys.sweeps)


def test_a_round_sweeps_so_many_images(world: World) -> None:
    """Jobs that are too large together wait for the next rounds, and one that is too large by itself goes alone."""
    for name, total in (("huge", IMAGES_SWEPT_MAX + 1), ("large", IMAGES_SWEPT_MAX), ("small", 1)):
        world.client.hset(world.keys.job(name), mapping={"total": total})
        world.client.hset(world.keys.sweeps, name, 0)
    care = caretaker(world)
    assert [care.sweep_ended_jobs() for _ in range(4)] == [1, 1, 1, 0]


def test_a_server_that_could_drop_work_is_refused(world: World) -> None:
    """An evicting or too small server is refused with what to set; ours has an append-only file."""
    needs = Needs(2**31, 2**28, 2**30)
    assert check_server(world.client, needs, strict=True) == []
    world.client.config_set("maxmemory", 2**30)
    try:
        with pytest.raises(StoreUnavailable, match="needs 3840 MiB"):
            check_server(world.client, needs)
        world.client.config_set("maxmemory-policy", "allkeys-lru")
        for limit in (2**30, 0):
            world.client.config_set("maxmemory", limit)
            with pytest.raises(StoreUnavailable, match="noeviction"):
                check_server(world.client, needs)
    finally:
        world.client.config_set("maxmemory", 0)
        world.client.config_set("maxmemory-policy", "noeviction")
