import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tenfold.client import AsyncTenfold, NotReachable, Tenfold
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service, found, job


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


def public(kind: type[Any]) -> dict[str, tuple[Any, ...]]:
    methods = {name: value for name, value in vars(kind).items() if inspect.isfunction(value) and name[0] != "_"}
    return {
        name: tuple((p.name, p.kind, p.default, p.annotation) for p in inspect.signature(method).parameters.values())
        for name, method in methods.items()
    }


def test_the_twins_can_do_the_same() -> None:
    """Both clients have the same methods with the same arguments."""
    assert public(Tenfold) == public(AsyncTenfold)
    assert {"detect", "submit", "watch", "as_completed", "results", "cancel"} <= public(Tenfold).keys()


def test_the_asynchronous_twin_goes_the_whole_way(service: CannedService) -> None:
    """Submit, a refusal for now, results page by page and a watch, all awaited."""
    busy = Reply({"title": "Busy"}, 503, {"Retry-After": "0"})
    service.reply("POST", "/v1/jobs", busy, Reply(job("queued", 2, 0), 202))
    service.reply("GET", "/v1/jobs/j1", job("running", 2, 1), job("succeeded", 2, 2))
    pages = ({"results": [found(0)], "next_cursor": "c"}, {"results": [found(1)], "next_cursor": None})
    service.reply("GET", "/v1/jobs/j1/results", *pages)

    async def go() -> tuple[list[int], list[str]]:
        async with AsyncTenfold(service.url) as client:
            sent = await client.submit([b"a", b"b"])
            states = [now.state async for now in client.watch(sent.id, every_s=0.001)]
            return [one.index async for one in client.results(sent.id)], states

    assert asyncio.run(go()) == ([0, 1], ["running", "succeeded"])


def test_nobody_there_is_the_same_error_for_both() -> None:
    """The asynchronous twin says where it looked and what to start."""

    async def go() -> None:
        async with AsyncTenfold("http://127.0.0.1:9") as client:
            await client.jobs()

    with pytest.raises(NotReachable, match="127.0.0.1:9.*tenfold up"):
        asyncio.run(go())
