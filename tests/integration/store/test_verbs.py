"""The store's verbs on a real Redis: what is accepted ends once, whoever dies or comes late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from tenfold.contract.errors import ClientQueueFull, Conflict, LeadershipLost, Unavailable
from tenfold.contract.events import BatchClaimed, BatchEnded, BatchLost, JobEnded, JobSubmitted
from tenfold.contract.records import (
    POOL,
    BatchRecord,
    DetectOptions,
    ItemMeta,
    ItemResult,
    JobShare,
    ServedModel,
    Submission,
    WorkerInfo,
)
from tenfold.contract.states import JobState
from tenfold.store.bounds import Bounds
from tenfold.store.scheduler_store import JobTrace
from tenfold.store.upload_store import UploadStep
from tenfold.store.worker_store import WorkerStore
from tests.integration.store.store_world import LANE, World, refused

QUEUE = f"tenfold:{LANE}:0"


def ids(job_id: str, *indexes: int) -> list[tuple[str, int]]:
    return [(job_id, index) for index in indexes]


def test_a_job_runs_from_upload_to_succeeded(world: World) -> None:
    """A submitted job is queued, running once claimed, succeeded with its last result, and leaves the counters."""
    assert world.submit("j", 2) is JobState.QUEUED
    world.dispatch("1-1", ids("j", 0, 1))
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    assert world.state("j") == "running"
    assert worker.blobs(claim.batch.items) == [b"abc", b"abc"]
    assert world.finish(worker, claim)
    assert world.state("j") == "succeeded"
    assert world.counts("j") == (2, 0)
    assert world.client.hgetall(world.keys.queued) == {}
    kinds = [type(event) for event in world.events()]
    assert kinds == [JobSubmitted, BatchClaimed, BatchEnded]
    assert 0 < world.client.ttl(world.keys.results("j")) <= 100
    assert world.client.zcard(world.keys.active) == 0


def test_images_come_along_with_a_claim_that_asks_for_them(world: World) -> None:
    """As far as they have so few bytes together; one that is gone counts none, one that may not run does not come."""
    world.submit("j", 3)
    world.submit("k", 1)
    for number in range(3):
        world.dispatch(f"1-{number}", [*ids("j", 0), *ids("k", 0), *ids("j", 1, 2)])
    world.ask("end_job", "k", JobState.CANCELED)
    world.client.delete(world.keys.blob("j", 1))
    worker = world.worker()
    claims = [worker.claim(image_bytes=most) for most in (6, 5, 0)]
    assert [claim and claim.images for claim in claims] == [[b"abc", None, b"abc"], None, None]
    assert claims[0] is not None
    assert claims[0].positions == [0, 2, 3]


def test_a_result_is_committed_once(world: World) -> None:
    """An image that is run twice keeps its first result, and the counters count it once."""
    world.submit("j", 2)
    world.dispatch("1-1", ids("j", 0))
    world.dispatch("1-2", ids("j", 0))
    worker = world.worker()
    for _ in range(2):
        claim = worker.claim()
        assert claim is not None
        assert world.finish(worker, claim)
    assert world.counts("j") == (1, 0)
    assert world.state("j") == "running"


def test_a_commit_that_is_sent_again_says_that_it_went_through(world: World) -> None:
    """Its answer may have been lost: its worker hears that the batch is committed, another that it is not its own."""
    world.submit("j", 2)
    world.dispatch("1-1", ids("j", 0, 1))
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    for _ in range(2):
        assert world.finish(worker, claim)
    assert world.counts("j") == (2, 0)
    assert not world.finish(world.worker("w2"), claim)


def test_rejected_images_have_their_error_from_the_start(world: World) -> None:
    """Images that the gateway refused are failed before anything runs; a job of only such is failed at once."""
    assert world.submit("j", 3, rejected={1: refused(1)}) is JobState.QUEUED
    assert world.counts("j") == (0, 1)
    assert world.submit("k", 1, rejected={0: refused(0)}) is JobState.FAILED
    assert world.client.hget(world.keys.queued, "items") == b"2"
    assert world.client.ttl(world.keys.job("k")) > 0


def test_the_same_submission_twice_is_one_job(world: World) -> None:
    """A submission that redis-py sends again after a lost reply changes nothing."""
    world.submit("j", 2)
    assert world.submit("j", 2) is JobState.QUEUED
    assert world.client.hget(world.keys.queued, "items") == b"2"


def test_a_strict_submission_waits_for_the_disk(world: World) -> None:
    """With strict durability a job is accepted once the append-only file is on the disk, and not otherwise."""
    world.fsync_within_ms = 4_000
    assert world.submit("j", 1) is JobState.QUEUED
    world.client.config_set("appendonly", "no")
    try:
        with pytest.raises(ResponseError, match="appendonly"):
            world.submit("k", 1)
    finally:
        world.client.config_set("appendonly", "yes")


def test_bounds_refuse_with_their_reason(world: World) -> None:
    """Beyond its share a client is refused, beyond the total everyone, and nothing is left behind."""
    world.bounds = Bounds(10, 10**6, 0.5)
    world.submit("a", 5, client="a")
    with pytest.raises(ClientQueueFull, match="your bound of 5 images"):
        world.submit("b", 1, client="a")
    world.submit("c", 5, client="c")
    with pytest.raises(Unavailable, match="bound of 10"):
        world.submit("d", 1, client="d")
    assert world.client.zcard(world.keys.jobs) == 2


def test_a_swept_upload_cannot_be_submitted(world: World) -> None:
    """An upload that was given up is refused instead of losing its images later."""
    never_begun = Submission("j", "c", "toy", 64, POOL, LANE, 1, 3, 1.0)
    with pytest.raises(Conflict, match="given up"):
        world.ask("submit", never_begun, {})
    assert world.client.exists(world.keys.job("j")) == 0


def test_a_worker_takes_the_highest_level_then_the_oldest(world: World) -> None:
    """Claims go level by level, and within one in the order of dispatch."""
    world.submit("j", 4)
    world.dispatch("1-1", ids("j", 0), level=2)
    world.dispatch("1-2", ids("j", 1), level=1)
    world.dispatch("1-3", ids("j", 2), level=0)
    world.dispatch("1-4", ids("j", 3), level=0)
    worker = world.worker()
    taken = []
    while (claim := worker.claim()) is not None:
        taken.append((claim.batch.id, claim.place))
    assert taken == [("1-3", 0), ("1-4", 0), ("1-2", 1), ("1-1", 2)]


def test_a_claim_drops_what_was_canceled_or_expired(world: World) -> None:
    """Images of ended jobs never run, and a batch of only such is dropped whole: no worker was lost with it."""
    world.submit("a", 1)
    world.submit("b", 1, deadline_ms=1.0)
    world.submit("c", 1)
    world.dispatch("1-1", [("a", 0), ("b", 0), ("c", 0)])
    world.dispatch("1-2", [("a", 0)])
    assert world.ask("end_job", "a", JobState.CANCELED) is JobState.CANCELED
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    assert claim.positions == [2]
    assert worker.claim() is None
    lost = [event for event in world.events() if isinstance(event, BatchLost)]
    assert [(event.batch_id, event.left, event.worker) for event in lost] == [("1-2", [], "")]
    assert world.client.hkeys(world.keys.batches) == [b"1-1"]


def test_canceling_is_final_and_keeps_what_is_done(world: World) -> None:
    """A canceled job keeps its results, takes no more, and stays canceled."""
    world.submit("j", 3)
    world.dispatch("1-1", ids("j", 0))
    world.dispatch("1-2", ids("j", 1))
    worker = world.worker()
    first, second = worker.claim(), worker.claim()
    assert first is not None
    assert second is not None
    world.finish(worker, first)
    world.ask("end_job", "j", JobState.CANCELED)
    assert world.finish(worker, second)
    assert world.counts("j") == (1, 0)
    assert world.state("j") == "canceled"
    assert world.ask("end_job", "j", JobState.CANCELED) is JobState.CANCELED
    assert world.client.hgetall(world.keys.queued) == {}
    assert sum(isinstance(event, JobEnded) for event in world.events()) == 1


def test_a_lost_lease_gives_the_images_back_and_a_late_answer_changes_nothing(world: World) -> None:
    """After its lease a batch is taken back, and the old holder's commit writes nothing."""
    world.submit("j", 2)
    world.dispatch("1-1", ids("j", 0, 1))
    worker = world.worker(lease_ms=1)
    claim = worker.claim(computing=1)
    assert claim is not None
    world.client.zadd(world.keys.leases, {"1-1": 1})
    assert world.scheduler.reap(world.token) == ["1-1"]
    assert not world.finish(worker, claim)
    assert world.counts("j") == (0, 0)
    lost = [event for event in world.events() if isinstance(event, BatchLost)]
    assert [(event.left, event.alone, event.failed) for event in lost] == [([0, 1], [], [])]
    assert world.client.hgetall(world.keys.job("j") + ":losses") == {b"0": b"1"}


def test_an_image_that_costs_three_workers_fails_with_the_reason(world: World) -> None:
    """Only images that were computing count a loss: after two they run alone, after three they fail."""
    world.submit("j", 2)
    alone = []
    for attempt in range(3):
        world.dispatch(f"1-{attempt}", ids("j", 0, 1))
        assert world.worker().claim(computing=1) is not None
        world.client.zadd(world.keys.leases, {f"1-{attempt}": 1})
        world.scheduler.reap(world.token)
        lost = [event for event in world.events() if isinstance(event, BatchLost)][-1]
        alone.append((lost.left, lost.alone, lost.failed))
    assert alone == [([0, 1], [], []), ([0, 1], [0], []), ([1], [], [0])]
    assert world.counts("j") == (0, 1)
    (result,) = world.ask("results", "j", [0])
    assert result.error.code == "worker_lost"
    assert result.attempts == 3


def test_a_beat_keeps_the_lease(world: World) -> None:
    """A beating worker keeps its batch; a batch that it lost is told to it."""
    info = WorkerInfo("w1", POOL, [LANE], [0, 1, 2], [ServedModel("toy", "1")], "cpu", "here", 1, 1.0)
    world.submit("j", 1)
    world.dispatch("1-1", ids("j", 0))
    worker = world.worker()
    worker.claim()
    world.client.zadd(world.keys.leases, {"1-1": 1})
    assert worker.beat(info, ["1-1"])
    assert world.scheduler.reap(world.token) == []
    world.client.zadd(world.keys.leases, {"1-1": 1})
    world.scheduler.reap(world.token)
    assert not worker.beat(info, ["1-1"])


def test_promotion_moves_a_waiting_batch_once(world: World) -> None:
    """A promoted batch is claimed from its new queue, in the place that its age gives it, and only while it waits."""
    world.submit("j", 3)
    world.dispatch("1-1", ids("j", 0), level=2)
    world.dispatch("1-2", ids("j", 1), level=0)
    moved = world.scheduler.promote(world.token, "1-1", lane=LANE, from_level=2, to_level=0)
    assert moved
    again = world.scheduler.promote(world.token, "1-1", lane=LANE, from_level=2, to_level=0)
    assert not again
    queue = Queue(QUEUE, connection=world.client, serializer=JSONSerializer)
    assert queue.job_ids == ["1-1", "1-2"]
    assert Job.fetch("1-1", connection=world.client, serializer=JSONSerializer).origin == QUEUE
    claim = world.worker().claim()
    assert claim is not None
    assert claim.batch.id == "1-1"


def test_an_old_leader_can_change_nothing(world: World) -> None:
    """What a scheduler does needs the newest token; what an old leader enqueues reaches neither RQ nor us."""
    world.submit("j", 2)
    world.dispatch("1-0", ids("j", 1), level=2)
    world.client.delete(world.keys.leader)
    newer = world.scheduler.lead("")
    assert newer is not None
    assert int(newer) > int(world.token)
    with pytest.raises(LeadershipLost):
        world.dispatch("1-1", ids("j", 0))
    with pytest.raises(LeadershipLost):
        world.scheduler.reap(world.token)
    with pytest.raises(LeadershipLost):
        world.scheduler.expire(world.token, "j")
    assert not world.scheduler.promote(world.token, "1-0", lane=LANE, from_level=2, to_level=1)
    assert not world.client.exists("rq:job:1-1")
    assert world.client.llen(f"rq:queue:{QUEUE}") == 0
    claim = world.worker().claim()
    assert claim is not None
    assert (claim.batch.id, claim.place) == ("1-0", 2)
    assert world.worker().claim() is None
    assert world.state("j") == "running"


def test_a_batch_without_a_record_is_dropped(world: World) -> None:
    """An RQ job that somebody else put into a queue of ours is claimed by nobody, and leaves the queue."""
    world.submit("j", 1)
    world.dispatch("1-0", ids("j", 0))
    world.client.hdel(world.keys.batches, "1-0")
    assert world.worker().claim() is None
    assert world.client.llen(f"rq:queue:{QUEUE}") == 0


def test_a_dispatch_that_is_sent_twice_counts_once(world: World) -> None:
    """The same batch again, as after a broken line, stands in its queue once, and is not queued again while it runs."""
    world.submit("j", 1)
    world.dispatch("1-0", ids("j", 0))
    world.dispatch("1-0", ids("j", 0))
    assert world.client.llen(f"rq:queue:{QUEUE}") == 1
    worker = world.worker()
    assert worker.claim() is not None
    world.dispatch("1-0", ids("j", 0))
    assert worker.claim() is None
    assert world.client.hget("rq:job:1-0", "status") == b"started"


def test_an_old_leader_puts_nothing_back(world: World) -> None:
    """A batch that fell out of its queue is put back by the scheduler that leads, and by no other."""
    world.submit("j", 1)
    world.dispatch("1-0", ids("j", 0))
    world.client.lpop(f"rq:queue:{QUEUE}")
    where: dict[str, Any] = {"lane": LANE, "level": 0}
    assert not world.scheduler.requeue("older", "1-0", **where)
    assert world.scheduler.requeue(world.token, "1-0", **where)


def test_only_what_rq_holds_as_queued_is_claimed(world: World) -> None:
    """A batch that somebody canceled or started by RQ's own tools is not run, though its id stands in the list."""
    world.submit("j", 1)
    world.dispatch("1-1", ids("j", 0))
    world.client.hset("rq:job:1-1", "status", "canceled")
    assert world.worker().claim() is None


def test_leadership_is_held_by_one(world: World) -> None:
    """A second scheduler stands by until the first resigns, and gets a higher token."""
    assert world.scheduler.lead("") is None
    assert world.scheduler.lead(world.token) == world.token
    world.scheduler.resign(world.token)
    assert int(world.scheduler.lead("") or 0) == int(world.token) + 1


def test_rqs_own_view_agrees(world: World) -> None:
    """What RQ's classes read is what happened: queued, started, finished and failed, in the right registries."""
    world.submit("j", 3)
    queue = Queue(QUEUE, connection=world.client, serializer=JSONSerializer)

    def status(batch_id: str) -> str:
        return Job.fetch(batch_id, connection=world.client, serializer=JSONSerializer).get_status().value

    world.dispatch("1-1", ids("j", 0))
    world.dispatch("1-2", ids("j", 1))
    assert queue.job_ids == ["1-1", "1-2"]
    assert status("1-1") == "queued"
    worker = world.worker()
    first, second = worker.claim(), worker.claim()
    assert first is not None
    assert second is not None
    assert StartedJobRegistry(queue=queue).get_job_ids() == ["1-1", "1-2"]
    assert status("1-1") == "started"
    world.finish(worker, first)
    world.client.zadd(world.keys.leases, {"1-2": 1})
    world.scheduler.reap(world.token)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert FinishedJobRegistry(queue=queue).get_job_ids() == ["1-1"]
    assert FailedJobRegistry(queue=queue).get_job_ids() == ["1-2"]
    assert (status("1-1"), status("1-2")) == ("finished", "failed")
    assert world.client.ttl("rq:job:1-1") > 0


def test_a_popped_but_unclaimed_batch_is_put_back(world: World) -> None:
    """A batch that a stock worker popped and lost returns to its queue, and one that waits is left alone."""
    world.submit("j", 1)
    world.dispatch("1-1", ids("j", 0))
    put_back: dict[str, Any] = {"lane": LANE, "level": 0}
    assert not world.scheduler.requeue(world.token, "1-1", **put_back)
    world.client.lpop(f"rq:queue:{QUEUE}")
    assert world.scheduler.requeue(world.token, "1-1", **put_back)
    assert world.worker().claim() is not None


def test_a_doorbell_wakes_only_workers_of_its_queue(world: World) -> None:
    """A worker of another model takes no ring, and what is left to ring is dropped with the last batch."""
    other = WorkerStore(world.client, world.keys, "w2", [["tenfold:other@64:0"]], 5_000, 0)
    world.submit("j", 3)
    for number in range(3):
        world.dispatch(f"1-{number}", ids("j", number))
    assert not other.wait(0.01)
    worker = world.worker()
    assert worker.wait(0.01)
    while worker.claim() is not None:
        pass
    assert not worker.wait(0.01)
    assert not world.client.keys("tenfold:doorbell:*")


def test_a_claim_takes_what_was_dispatched_first_of_all_lanes(world: World) -> None:
    """A worker of two models takes batches in the order of their dispatch within a level, the higher level first."""
    other = dispatching_to(world, "other@64")
    world.submit("j", 4)
    queues = [[f"tenfold:{lane}:{level}" for lane in (LANE, "other@64")] for level in range(3)]
    worker = WorkerStore(world.client, world.keys, "w1", queues, 5_000, 0)
    world.dispatch("1-1", ids("j", 0), level=1)
    other("1-2", ids("j", 1), level=1)
    world.dispatch("1-3", ids("j", 2), level=1)
    other("1-4", ids("j", 3), level=0)
    claims = [worker.claim() for _ in range(4)]
    assert [(claim.batch.id, claim.place) for claim in claims if claim] == [
        ("1-4", 0),
        ("1-1", 1),
        ("1-2", 1),
        ("1-3", 1),
    ]


def dispatching_to(world: World, lane: str) -> Callable[..., None]:
    """Dispatches batches of another lane."""

    def dispatch(batch_id: str, items: list[tuple[str, int]], level: int) -> None:
        shares = {job: JobShare(DetectOptions(), 1_000.0) for job, _ in items}
        record = BatchRecord(batch_id, POOL, lane, "other", 64, level, items, shares)
        world.dispatcher.dispatch(world.token, [record])

    return dispatch


def test_a_new_leader_finds_everything(world: World) -> None:
    """The snapshot has active jobs with what is settled, and live batches with their level and worker."""
    world.submit("j", 5, rejected={4: refused(4)})
    world.dispatch("1-1", ids("j", 0))
    world.dispatch("1-2", ids("j", 1))
    world.dispatch("1-3", ids("j", 2), level=2)
    worker = world.worker()
    first = worker.claim()
    worker.claim()
    assert first is not None
    world.finish(worker, first)
    world.scheduler.promote(world.token, "1-3", lane=LANE, from_level=2, to_level=1)
    snapshot = world.scheduler.snapshot(0)
    (job,) = snapshot.jobs
    assert job.settled == {0, 4}
    found = [(b.record.id, b.level, b.worker) for b in snapshot.batches]
    assert found == [("1-2", 0, "w1"), ("1-3", 1, None)]


def test_a_trace_never_outlives_its_job(world: World) -> None:
    """A trace takes the job's lifetime, and none is made for a job that is gone."""
    world.submit("j", 1)
    world.scheduler.trace({"j": JobTrace(1, [b'{"kind":"entered"}']), "gone": JobTrace(entries=[b"{}"])})
    assert world.ask("trace", "j") == [{"kind": "entered"}]
    assert world.client.hget(world.keys.job("j"), "level") == b"1"
    assert world.client.exists(world.keys.trace("gone")) == 0
    assert world.client.exists(world.keys.job("gone")) == 0


def submit_whole(world: World, job_id: str, rejected: dict[int, ItemResult] | None = None) -> JobState:
    """A job of two images whose bytes come with its submission."""
    job = Submission(job_id, "c", "toy", 64, POOL, LANE, 2, 6, 1_000.0)
    pieces = [(0, 0, b"ab"), (0, 2, b"c"), (1, 0, b"def")]
    metas = [ItemMeta("a.jpg", 3), ItemMeta("b.jpg", 3)]
    whole = UploadStep(job_id, "c", first=True, images=2, pieces=pieces, metas=metas)
    return JobState(world.ask("submit", job, rejected or {}, None, whole))


def test_images_may_come_with_their_submission(world: World) -> None:
    """What was never stored before is, in the step that accepts the job; sent twice it is the same job."""
    assert submit_whole(world, "j", {1: refused(1)}) is JobState.QUEUED
    assert submit_whole(world, "j", {1: refused(1)}) is JobState.QUEUED
    assert [world.client.get(world.keys.blob("j", index)) for index in range(2)] == [b"abc", b"def"]
    assert world.ask("images", "j", 0, 10) == [ItemMeta("a.jpg", 3), ItemMeta("b.jpg", 3)]
    assert world.counts("j") == (0, 1)
    assert int(world.client.hget(world.keys.queued, "items")) == 1


def test_what_has_no_room_leaves_nothing(redis_url: str) -> None:
    """Images that come with a submission that is refused are not stored."""
    world = World(redis_url, Bounds(2, 10**6, 1.0))
    world.client.hset(world.keys.queued, "items", 1)
    before = set(world.client.keys())
    with pytest.raises(Unavailable):
        submit_whole(world, "j")
    assert set(world.client.keys()) == before
    world.close()
