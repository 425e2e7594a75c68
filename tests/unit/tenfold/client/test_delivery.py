import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tenfold.client import (
    ApiError,
    AsyncTenfold,
    Job,
    NotReachable,
    Options,
    Retries,
    Tenfold,
    UnusableImage,
    Upload,
    WaitRanOut,
)
from tenfold.client.delivery import PART_BYTES_MAX, PART_IMAGES_MAX, Delivery, in_parts
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service, found, job

MANY = [Upload(f"{number}.png", b"x") for number in range(2 * PART_IMAGES_MAX + 1)]
BUSY = Reply({"title": "Too Many Requests", "code": "client_queue_full"}, 429, {"Retry-After": "0"})


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        running.reply("POST", "/v1/jobs", job("queued", 0, 0, open=True), status=202)
        running.reply("POST", "/v1/jobs/j1/images", job("running", 500, 0, open=True), status=202)
        running.reply("POST", "/v1/jobs/j1/close", job("running", 1001, 3))
        running.reply("DELETE", "/v1/jobs/j1", job("canceled", 500, 0))
        yield running


def asked(service: CannedService) -> list[str]:
    return [f"{one.method} {one.path}" for one in service.asked]


PARTS = ["POST /v1/jobs?conf=0.5&open=1", *["POST /v1/jobs/j1/images"] * 3, "POST /v1/jobs/j1/close"]


def test_many_images_travel_in_parts(service: CannedService) -> None:
    """Beyond what one body should carry, a job is opened with its options, filled in order and closed."""
    told: list[tuple[str, int]] = []
    with Tenfold(service.url) as client:
        sent = client.submit(MANY, Options(conf=0.5), on_sent=lambda job, images: told.append((job.id, images)))
    assert (sent.images.total, sent.open) == (1001, False)
    assert asked(service) == PARTS
    assert [one.body.count(b"filename=") for one in service.asked[1:4]] == [500, 500, 1]
    assert b'name="conf"' not in service.asked[1].body
    assert told == [("j1", 0), ("j1", 500), ("j1", 1000), ("j1", 1001)]


def test_the_asynchronous_twin_sends_the_same(service: CannedService) -> None:
    """The same requests in the same order, and the same words to who listens."""
    told: list[int] = []

    async def go() -> Job:
        async with AsyncTenfold(service.url) as client:
            return await client.submit(MANY, Options(conf=0.5), on_sent=lambda _job, images: told.append(images))

    assert asyncio.run(go()).images.total == 1001
    assert asked(service) == PARTS
    assert told == [0, 500, 1000, 1001]


def test_few_images_are_one_request(service: CannedService) -> None:
    """What one body carries makes no open job."""
    told: list[int] = []
    with Tenfold(service.url) as client:
        client.submit(MANY[:PART_IMAGES_MAX], on_sent=lambda _job, images: told.append(images))
    assert asked(service) == ["POST /v1/jobs"]
    assert told == [500]


def test_each_part_has_a_key_that_follows_from_the_jobs(service: CannedService) -> None:
    """The same images under the caller's key make the same keys, so that a program may go on where it stopped."""
    keys = []
    with Tenfold(service.url) as client:
        for given in ("order-7", "order-7", "order-8", None):
            service.asked.clear()
            client.submit(MANY, idempotency_key=given)
            keys.append([one.headers["Idempotency-Key"] for one in service.asked[:-1]])
    assert keys[0] == keys[1]
    assert len({key for run in keys[1:] for key in run}) == 12
    assert keys[0][0] == "order-7"


def test_a_part_waits_for_room_as_long_as_it_takes(service: CannedService) -> None:
    """Refusals for now are obeyed beyond what a single request would, since the job itself makes room."""
    service.reply("POST", "/v1/jobs/j1/images", *[BUSY] * 9, Reply(job("running", 500, 0, open=True), 202))
    with Tenfold(service.url) as client:
        client.submit(MANY)
    assert asked(service).count("POST /v1/jobs/j1/images") == 12


def test_what_breaks_off_is_canceled(service: CannedService) -> None:
    """A refusal in the middle leaves no half of a job behind, unless the caller's key lets it go on later."""
    wrong = Reply({"title": "Conflict", "code": "job_closed"}, 409)
    for key in (None, "mine"):
        service.asked.clear()
        service.reply("POST", "/v1/jobs/j1/images", Reply(job(open=True), 202), wrong)
        with Tenfold(service.url) as client, pytest.raises(ApiError) as refused:
            client.submit(MANY, idempotency_key=key)
        assert refused.value.code == "job_closed"
        assert (asked(service)[-1] == "DELETE /v1/jobs/j1") == (key is None)


def test_the_asynchronous_twin_cancels_what_breaks_off(service: CannedService) -> None:
    """As its twin does."""
    service.reply("POST", "/v1/jobs/j1/images", Reply({"title": "Conflict", "code": "job_closed"}, 409))

    async def go() -> None:
        async with AsyncTenfold(service.url) as client:
            await client.submit(MANY)

    with pytest.raises(ApiError):
        asyncio.run(go())
    assert asked(service)[-1] == "DELETE /v1/jobs/j1"


def test_detecting_many_waits_for_an_open_job(service: CannedService) -> None:
    """More than one body carries goes in parts, too, and is followed to its end."""
    service.reply("GET", "/v1/jobs/j1", job("succeeded", 1001, 1001))
    service.reply("GET", "/v1/jobs/j1/results", {"results": [found(1), found(0)], "next_cursor": None})
    with Tenfold(service.url) as client:
        done = client.detect(MANY)
    assert [result.index for result in done.results or []] == [0, 1]
    assert "POST /v1/detect" not in asked(service)


def test_a_wait_that_runs_out_while_sending_cancels(service: CannedService) -> None:
    """Who detects and gives up before all is sent leaves no job that nobody closes."""
    with Tenfold(service.url) as client, pytest.raises(WaitRanOut, match="canceled"):
        client.detect(MANY, wait_s=0)
    assert asked(service)[-1] == "DELETE /v1/jobs/j1"


def test_nobody_there_is_no_reason_for_patience() -> None:
    """A part waits for room, not for a service that is gone."""
    with ExitStack() as running:
        service = running.enter_context(canned_service())
        service.reply("POST", "/v1/jobs", job(open=True), status=202)
        client = Tenfold(service.url, retries=Retries(times=1))
        with client, pytest.raises(NotReachable):
            client.submit(MANY, on_sent=lambda _job, _sent: running.close())
    assert asked(service) == ["POST /v1/jobs?open=1"]


def test_open_jobs_can_be_used_step_by_step(service: CannedService) -> None:
    """Opened, added to and closed by hand, each answer typed."""
    added = {**job("running", 2, 0, open=True), "added": {"first": 0, "count": 2}}
    service.reply("POST", "/v1/jobs/j1/images", added, status=202)
    with Tenfold(service.url) as client:
        opened = client.open_job(Options(priority="low"), idempotency_key="mine")
        more = client.add_images(opened.id, [b"a", b"b"])
        client.close_job(opened.id)
    assert opened.open
    assert more.added is not None
    assert (more.added.first, more.added.count) == (0, 2)
    assert asked(service)[0] == "POST /v1/jobs?priority=low&open=1"
    assert service.asked[0].headers["Idempotency-Key"] == "mine"


def test_parts_are_bounded_by_bytes_and_number() -> None:
    """Each is as full as it may be, in order; one image beyond the bound travels alone."""
    half = b"x" * (PART_BYTES_MAX // 2)
    uploads = [
        Upload("a", half),
        Upload("b", half),
        Upload("c", b"x"),
        Upload("d", half + half + b"x"),
        Upload("e", b""),
    ]
    assert [[one.name for one in part] for part in in_parts(uploads)] == [["a", "b"], ["c"], ["d"], ["e"]]
    assert [len(part) for part in in_parts(MANY)] == [500, 500, 1]


def test_a_missing_file_is_found_before_anything_is_sent(service: CannedService) -> None:
    """Sizes are looked at first, of all files."""
    gone = Upload.of("/nowhere/at/all.png")
    with Tenfold(service.url) as client, pytest.raises(UnusableImage):
        client.submit([*MANY, gone])
    assert not service.asked
    with pytest.raises(UnusableImage):
        Delivery.of([gone], None, None)
