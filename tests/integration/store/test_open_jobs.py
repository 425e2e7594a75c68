"""Open jobs on a real Redis: parts get their indexes in one step, and only the close lets the job end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.exceptions import ResponseError

from tenfold.contract.errors import ClientQueueFull, Conflict, LeadershipLost, NotFound, TooLarge, Unavailable
from tenfold.contract.events import JobClosed, JobEnded, JobExtended, JobSubmitted
from tenfold.contract.records import ItemMeta
from tenfold.contract.states import JobState
from tenfold.store.bounds import Bounds
from tenfold.store.caretaker import Caretaker
from tenfold.store.gateway_store import ArrivedPart
from tenfold.store.upload_store import UploadStep
from tests.integration.store.store_world import World, refused


def ids(job_id: str, *indexes: int) -> list[tuple[str, int]]:
    return [(job_id, index) for index in indexes]


def total(world: World, job_id: str = "j") -> int:
    return int(world.client.hget(world.keys.job(job_id), "total"))


def run(world: World, batch_id: str, *indexes: int) -> None:
    world.dispatch(batch_id, ids("j", *indexes))
    worker = world.worker()
    claim = worker.claim()
    assert claim is not None
    assert world.finish(worker, claim)


def test_parts_follow_each_other_in_one_job(world: World) -> None:
    """Names, bytes, counts and indexes of a part stand behind those that were there; nothing of the upload remains."""
    assert world.submit("j", 2, is_open=True) is JobState.QUEUED
    assert world.extend("j", "u1", 3) == 2
    assert world.extend("j", "u2", 1) == 5
    assert total(world) == 6
    names = [meta.name for meta in world.ask("images", "j", 0, 10)]
    assert names == ["0.jpg", "1.jpg", "u1-0.jpg", "u1-1.jpg", "u1-2.jpg", "u2-0.jpg"]
    assert world.worker().blobs(ids("j", 0, 2, 4, 5)) == [b"abc", b"200", b"202", b"200"]
    assert world.client.hget(world.keys.queued, "items") == b"6"
    assert world.client.hget(world.keys.queued, "bytes") == b"18"
    assert not world.client.keys("tenfold:upload*")
    assert not world.client.keys("tenfold:*:u[12]*")
    extended = [event for event in world.events() if isinstance(event, JobExtended)]
    assert extended == [JobExtended("j", 2, 3), JobExtended("j", 5, 1)]


def test_only_a_close_lets_an_open_job_end(world: World) -> None:
    """Every image done leaves it running; the close makes it succeeded, tells the stream and leaves no counter."""
    world.submit("j", 1, is_open=True)
    run(world, "1-1", 0)
    assert world.state("j") == "running"
    world.extend("j", "u1", 2)
    run(world, "1-2", 1, 2)
    assert world.state("j") == "running"
    assert world.client.hgetall(world.keys.queued) == {b"open:c": b"1"}
    assert world.ask("close", "j") is JobState.SUCCEEDED
    assert world.client.hgetall(world.keys.queued) == {}
    assert world.client.zcard(world.keys.open_jobs) == world.client.zcard(world.keys.active) == 0
    assert world.client.ttl(world.keys.parts("j")) > 0
    assert world.events()[-1] == JobClosed("j")


def test_a_job_closed_early_ends_with_its_last_image(world: World) -> None:
    """The close is not the end where something still waits; said twice, it changes nothing and tells nothing more."""
    world.submit("j", 2, is_open=True)
    assert world.ask("close", "j") is JobState.QUEUED
    assert world.ask("close", "j") is JobState.QUEUED
    assert [type(event) for event in world.events()] == [JobSubmitted, JobClosed]
    run(world, "1-1", 0, 1)
    assert world.state("j") == "succeeded"
    assert world.ask("close", "j") is JobState.SUCCEEDED
    assert world.ask("close", "nobody") is None


def test_an_empty_job_is_open_and_fails_when_it_is_closed(world: World) -> None:
    """It counts for nothing but as an open one."""
    assert world.submit("j", 0, is_open=True) is JobState.QUEUED
    assert world.client.hgetall(world.keys.queued) == {b"open:c": b"1"}
    assert world.ask("close", "j") is JobState.FAILED
    assert world.client.ttl(world.keys.job("j")) > 0


def test_rejected_images_of_a_part_have_their_error_under_their_index(world: World) -> None:
    """The index within the part becomes the one in the job, and a part of such alone does not end the job."""
    world.submit("j", 1, is_open=True, rejected={0: refused(0)})
    assert world.state("j") == "queued"
    world.extend("j", "u1", 3, rejected={0: refused(0), 2: refused(2)})
    found = world.ask("results", "j", [0, 1, 2, 3])
    assert [result and result.index for result in found] == [0, 1, None, 3]
    assert world.ask("committed", "j", 0, 10) == [0, 1, 3]
    assert world.counts("j") == (0, 3)
    assert world.client.hget(world.keys.queued, "items") == b"1"
    assert world.events()[-1] == JobExtended("j", 1, 3, [1, 3])
    world.ask("close", "j")
    run(world, "1-1", 2)
    assert world.state("j") == "succeeded"


def test_a_part_sent_twice_over_a_bad_line_is_one(world: World) -> None:
    """The same verb again gives the same index, also after the job was closed."""
    world.submit("j", 0, is_open=True)
    assert world.extend("j", "u1", 2) == 0
    again = world.ask("extend", "j", ArrivedPart("u1", 2, 6), {})
    assert (again, total(world)) == (0, 2)
    world.ask("close", "j")
    assert world.ask("extend", "j", ArrivedPart("u1", 2, 6), {}) == 0
    assert world.ask("part", "j", "u1") == 0
    assert world.ask("part", "j", "u2") is None


def test_parts_that_come_at_once_share_no_index(world: World) -> None:
    """Twenty at the same time: all indexes are given once, each part's in a row, with its own bytes and names."""
    world.submit("j", 0, is_open=True)
    uploads = [f"u{number:02}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        firsts = dict(zip(uploads, pool.map(lambda upload: world.extend("j", upload, 7), uploads), strict=True))
    assert sorted(firsts.values()) == list(range(0, 140, 7))
    names = [meta.name for meta in world.ask("images", "j", 0, 200)]
    assert len(names) == 140
    for upload, first in firsts.items():
        assert names[first : first + 7] == [f"{upload}-{index}.jpg" for index in range(7)]
    assert all(world.worker().blobs(ids("j", *range(140))))


def test_nothing_is_added_to_a_job_that_is_not_open(world: World) -> None:
    """Closed, canceled, done, never opened: the refusal says which; an unknown one is not found."""
    world.submit("closed", 1, is_open=True)
    world.ask("close", "closed")
    world.submit("canceled", 1, is_open=True)
    world.ask("end_job", "canceled", JobState.CANCELED)
    world.submit("plain", 1)
    for name, why in (("closed", "was closed"), ("canceled", "it is canceled"), ("plain", "never opened")):
        with pytest.raises(Conflict, match=why) as caught:
            world.extend(name, f"u-{name}", 1)
        assert caught.value.code == "job_closed"
        assert total(world, name) == 1
    with pytest.raises(NotFound):
        world.extend("nobody", "u-nobody", 1)


def test_a_cancel_closes_and_drops_what_was_added(world: World) -> None:
    """Its images are swept whole, counters and the list of open jobs are as before."""
    world.submit("j", 1, is_open=True)
    world.extend("j", "u1", 5)
    assert world.ask("end_job", "j", JobState.CANCELED) is JobState.CANCELED
    assert world.client.hgetall(world.keys.queued) == {}
    assert world.client.zcard(world.keys.open_jobs) == 0
    assert world.events()[-1] == JobEnded("j", "canceled")
    caretaker = Caretaker(world.client, world.keys, 60, 10**6, 100, 10**6)
    assert caretaker.sweep_ended_jobs() == 1
    assert not world.client.keys("tenfold:blob:*")


def test_bounds_hold_for_parts_as_for_jobs(world: World) -> None:
    """Images and bytes queued, in total and of the client, and the images of one job in all its parts."""
    world.bounds = Bounds(20, 10**6, 0.5, images_per_job_max=8)
    world.submit("j", 4, is_open=True)
    with pytest.raises(TooLarge, match="at most 8 images; it has 4, and these are 5 more"):
        world.extend("j", "u1", 5)
    world.extend("j", "u2", 4)
    world.submit("k", 1, is_open=True)
    with pytest.raises(ClientQueueFull, match="you have 9 images"):
        world.extend("k", "u3", 2)
    world.submit("other", 10, client="d")
    world.bounds = Bounds(20, 10**6, 1.0)
    with pytest.raises(Unavailable, match="19 images"):
        world.extend("k", "u4", 2)
    world.bounds = Bounds(1000, 60, 1.0)
    with pytest.raises(Unavailable):
        world.extend("k", "u5", 2)
    assert (total(world), total(world, "k")) == (8, 1)


def test_a_client_has_only_so_many_open_jobs(world: World) -> None:
    """Beyond, a job is refused until one is closed; other clients have their own."""
    world.bounds = Bounds(1000, 10**6, 0.5, open_jobs_max=2)
    for name in ("a", "b"):
        world.submit(name, 0, is_open=True)
    with pytest.raises(ClientQueueFull, match="2 jobs open") as caught:
        world.submit("c", 0, is_open=True)
    assert caught.value.code == "too_many_open_jobs"
    world.submit("c", 0, client="d", is_open=True)
    world.ask("close", "a")
    world.submit("e", 0, is_open=True)


def test_a_part_that_was_swept_is_refused_whole(world: World) -> None:
    """Nothing of an upload that took too long gets into the job."""
    world.submit("j", 1, is_open=True)
    step = UploadStep("u1", "c", first=True, images=1, pieces=[(0, 0, b"abc")], metas=[ItemMeta("a", 3)])
    world.ask("write_upload", step, world.now_ms())
    caretaker = Caretaker(world.client, world.keys, 60, 10**6, 100, 10**6)
    assert caretaker.abandon_uploads(world.now_ms() + 10**6) == 1
    with pytest.raises(Conflict) as caught:
        world.ask("extend", "j", ArrivedPart("u1", 1, 3), {})
    assert caught.value.code == "upload_expired"
    assert total(world) == 1
    assert not world.client.keys("tenfold:blob:u1*")


def test_the_scheduler_closes_what_nobody_closes(world: World) -> None:
    """An open job to which nothing was added for too long; one whose part arrives just now is left alone."""
    world.submit("idle", 0, is_open=True)
    world.submit("busy", 0, is_open=True)
    now_ms = world.now_ms()
    step = UploadStep("u1", "c", first=True, images=1, pieces=[(0, 0, b"abc")], extends="busy")
    world.ask("write_upload", step, now_ms + 500_000)
    with pytest.raises(LeadershipLost):
        world.scheduler.close_idle("000000", now_ms + 400_000, "why")
    assert world.scheduler.close_idle(world.token, now_ms + 400_000, "nothing came") == ["idle"]
    assert (world.state("idle"), world.state("busy")) == ("failed", "queued")
    assert world.events()[-1] == JobClosed("idle", "nothing came")
    assert world.client.zrange(world.keys.open_jobs, 0, -1) == [b"busy"]


def test_an_upload_never_opens_a_job_again(world: World) -> None:
    """A part on its way to a job that was closed meanwhile does not put it among the open ones."""
    world.submit("j", 0, is_open=True)
    world.ask("close", "j")
    world.ask("begin_upload", "u1", "c", world.now_ms(), "j")
    world.ask("write_upload", UploadStep("u1", "c", first=False, images=1, extends="j"), world.now_ms())
    assert world.client.zcard(world.keys.open_jobs) == 0


def test_a_new_leader_learns_what_was_added(world: World) -> None:
    """The snapshot has the total of now and whether more may come."""
    world.submit("j", 2, is_open=True)
    world.extend("j", "u1", 3)
    (job,) = world.scheduler.snapshot(0).jobs
    assert (job.total, job.open, job.job.count) == (5, True, 2)
    world.ask("close", "j")
    (job,) = world.scheduler.snapshot(0).jobs
    assert not job.open


def test_a_strict_part_waits_for_the_disk(world: World) -> None:
    """With strict durability a part is accepted once the append-only file is on the disk, and not otherwise."""
    world.submit("j", 0, is_open=True)
    world.fsync_within_ms = 4_000
    assert world.extend("j", "u1", 1) == 0
    world.client.config_set("appendonly", "no")
    try:
        with pytest.raises(ResponseError, match="appendonly"):
            world.extend("j", "u2", 1)
    finally:
        world.client.config_set("appendonly", "yes")
