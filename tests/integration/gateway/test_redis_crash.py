"""What was accepted outlives a crash of Redis alone, on a disk that is behind with its fsyncs."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tenfold.settings import Settings
from tenfold.store.connection import connect, connect_async
from tenfold.store.written import until_written
from tests.integration.gateway.gateway_world import Backend, image, running_gateway
from tests.integration.slow_disk import SlowDisk, slow_disk
from tests.integration.waiting import wait_for


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowDisk]:
    with slow_disk(tmp_path_factory.mktemp("disk")) as disk:
        yield disk


@pytest.fixture(scope="module")
def http(disk: SlowDisk) -> Iterator[httpx.Client]:
    """A gateway that knows a model, and nobody who works."""
    url = disk.server.url
    with running_gateway(url, Settings(redis_url=url, model=("toy",))) as (_, at), httpx.Client(base_url=at) as http:
        with Backend(url).playing():
            wait_for(lambda: http.get("/readyz").status_code == 200, "the model")
        yield http


def sent(reply: httpx.Response) -> dict[str, Any]:
    assert reply.is_success, reply.text
    body: dict[str, Any] = reply.json()
    return body


def after_a_crash(disk: SlowDisk, http: httpx.Client, path: str) -> dict[str, Any]:
    """What is there once Redis was killed and has come back."""
    disk.crash()
    wait_for(lambda: http.get(path).status_code != 503, "Redis")
    return sent(http.get(path))


def test_what_was_waited_for_is_in_the_file(disk: SlowDisk) -> None:
    """A write that Redis had answered and held back is in its file once the wait is over."""

    async def write() -> None:
        async with connect_async(disk.server.url) as client:
            await client.set("k", "v")
            await until_written(client)

    disk.until_it_holds_back()
    asyncio.run(write())
    disk.crash()
    with connect(disk.server.url) as client:
        assert client.get("k") == b"v"


def test_an_accepted_job_and_its_part_outlive_a_crash(disk: SlowDisk, http: httpx.Client) -> None:
    """A 202 for a job, for a part of it and the answer to its close are promises."""
    files = {"files": ("a.jpg", image())}
    disk.until_it_holds_back()
    job = sent(http.post("/v1/jobs?open=1", files=files))
    at = job["links"]["self"]
    assert after_a_crash(disk, http, at)["images"]["total"] == 1
    disk.until_it_holds_back()
    sent(http.post(f"{at}/images", files=files))
    assert after_a_crash(disk, http, at)["images"]["total"] == 2
    disk.until_it_holds_back()
    sent(http.post(f"{at}/close"))
    assert not after_a_crash(disk, http, at)["open"]
    disk.until_it_holds_back()
    sent(http.delete(at))
    assert after_a_crash(disk, http, at)["state"] == "canceled"


def test_a_job_that_is_not_waited_for_outlives_a_crash(disk: SlowDisk, http: httpx.Client) -> None:
    """So is the 202 of a detect request that leaves before its end."""
    headers = {"content-type": "image/jpeg", "prefer": "respond-async"}
    disk.until_it_holds_back()
    job = sent(http.post("/v1/detect", content=image(), headers=headers))
    assert after_a_crash(disk, http, job["links"]["self"])["state"] == "queued"


def test_an_accepted_run_of_values_outlives_a_crash(disk: SlowDisk, http: httpx.Client) -> None:
    """And the 202 of a run of values."""
    disk.until_it_holds_back()
    run = sent(http.post("/v1/values/generate", json={"count": 3}))
    assert after_a_crash(disk, http, f"/v1/values/runs/{run['id']}")["requested"] == 3
