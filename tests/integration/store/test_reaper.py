"""The scheduler's round, once a second: what is lost comes back, what is over goes."""

from __future__ import annotations

from scheduler.reaper import Reaper
from tenfold.contract.events import WorkerJoined, WorkerLeft
from tenfold.contract.records import POOL, ServedModel, WorkerInfo
from tenfold.store.caretaker import Caretaker
from tenfold.store.upload_store import UploadStep
from tests.integration.store.store_world import LANE, QUEUES, World

LEASE_MS = 5_000


def reaper(world: World) -> Reaper:
    return Reaper(world.scheduler, Caretaker(world.client, world.keys, 60.0, 10**6, 100, 10**6), LEASE_MS, 600_000)


def now_ms(world: World) -> float:
    seconds, micros = world.client.time()
    return float(seconds * 1000 + micros / 1000)


def round_of(world: World, known: frozenset[str] = frozenset(), later_ms: float = 0.0) -> list[object]:
    return list(reaper(world).sweep(world.token, now_ms(world) + later_ms, known))


def test_a_dead_workers_batch_waits_again(world: World) -> None:
    """A batch whose lease ran out is given up, so that its images can be dispatched anew."""
    world.submit("j", 1)
    world.dispatch("1-1", [("j", 0)])
    assert world.worker().claim() is not None
    round_of(world)
    assert world.client.hkeys(world.keys.batches) == [b"1-1"]
    world.client.zadd(world.keys.leases, {"1-1": 1})
    round_of(world)
    assert world.client.hkeys(world.keys.batches) == []


def test_a_batch_that_a_stranger_popped_is_put_back(world: World) -> None:
    """What a stock worker took from RQ's list and never registered is there again after a round."""
    world.submit("j", 1)
    world.dispatch("1-1", [("j", 0)])
    queue = f"rq:queue:{QUEUES[0][0]}"
    assert world.client.lpop(queue) == b"1-1"
    round_of(world)
    assert world.client.lrange(queue, 0, -1) == [b"1-1"]


def test_what_is_put_back_again_and_again_rings_no_longer_bell(world: World) -> None:
    """Where nobody listens, the tokens of a doorbell stay as few as they are said to be."""
    world.submit("j", 1)
    world.dispatch("1-1", [("j", 0)])
    for _ in range(70):
        world.client.lpop(f"rq:queue:{QUEUES[0][0]}")
        assert world.scheduler.requeue(world.token, "1-1", lane=LANE, level=0)
    assert world.client.llen(world.keys.doorbell(QUEUES[0][0])) == 64


def test_an_upload_that_fell_silent_is_swept(world: World) -> None:
    """A minute after its last piece nothing of an upload is left that no gateway ended."""
    step = UploadStep("u", "c", first=True, images=1, pieces=[(0, 0, b"abc")])
    world.ask("write_upload", step, now_ms(world))
    round_of(world)
    assert world.client.exists(world.keys.blob("u", 0)) == 1
    round_of(world, later_ms=61_000)
    assert world.client.exists(world.keys.blob("u", 0), world.keys.upload("u"), world.keys.uploads) == 0


def test_who_comes_and_goes_without_a_word_is_noticed(world: World) -> None:
    """A worker that beats and is not known has joined; one that is known and beats no more has left."""
    info = WorkerInfo("w1", POOL, [LANE], [0, 1, 2], [ServedModel("toy", "1")], "cpu", "here", 1, 1.0)
    world.worker().beat(info, [])
    came = round_of(world)
    assert [type(event) for event in came] == [WorkerJoined]
    gone = round_of(world, frozenset({"w1"}), later_ms=LEASE_MS + 1_000)
    assert [type(event) for event in gone] == [WorkerLeft]
    assert world.client.hkeys(world.keys.workers) == []
