"""Pages of jobs: each job once, and a rare state is found in few steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.crud.clients import Client
from gateway.crud.jobs import JobPage, Jobs
from tenfold.contract.codec import encode
from tenfold.contract.records import POOL, Submission
from tenfold.contract.states import JobState
from tenfold.store.connection import connect_async
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.job_reader import SCAN_STEP
from tests.integration.store.store_world import LANE, World


def put(world: World, number: int, state: JobState = JobState.QUEUED) -> None:
    """A job that came in the ``number``-th millisecond."""
    job = Submission(f"{number:05}", "c", "toy", 64, POOL, LANE, 1, 3, float(number))
    world.client.hset(world.keys.job(job.job_id), mapping={"submission": encode(job), "state": state.value, "total": 1})
    world.client.zadd(world.keys.jobs, {job.job_id: number})


class Busy:
    """A client beside which something happens after each look at the list."""

    def __init__(self, client: Any, happens: Callable[[], None]) -> None:
        self._client = client
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def zrange(self, *args: Any, **named: Any) -> Any:
        seen = await self._client.zrange(*args, **named)
        self._happens()
        return seen


def test_a_rare_state_is_found_in_few_steps(world: World) -> None:
    """However few jobs a page shows, it looks through the list in large steps."""
    for number in range(3 * SCAN_STEP):
        put(world, number, JobState.FAILED if number == 0 else JobState.QUEUED)
    world.client.config_resetstat()
    (view,), place = world.ask("jobs_page", None, state=JobState.FAILED, before=None, limit=1)
    assert (view.submission.job_id, place) == ("00000", None)
    assert world.client.info("commandstats")["cmdstat_zrange"]["calls"] <= 4


def test_jobs_that_come_meanwhile_double_none(world: World) -> None:
    """What is submitted while a page is looked through moves the list, and no job stands on the page twice."""
    for number in range(3 * SCAN_STEP):
        put(world, number, JobState.FAILED if number % 10 == 0 else JobState.QUEUED)
    newest = iter(range(3 * SCAN_STEP, 9 * SCAN_STEP))

    def come() -> None:
        for _ in range(15):
            put(world, next(newest))

    async def page() -> list[str]:
        async with connect_async(world.url) as client:
            store = GatewayStore(Busy(client, come), world.keys, world.bounds, 100)
            views, _ = await store.jobs_page(None, state=JobState.FAILED, before=None, limit=100)
            return [view.submission.job_id for view in views]

    assert asyncio.run(page()) == [f"{number:05}" for number in range(3 * SCAN_STEP - 10, -1, -10)]


def test_a_page_of_waiting_jobs_asks_once_how_they_stand(world: World) -> None:
    """Where each stands in line is right, unknown where the scheduler told none, and one question for them all."""
    for number in range(50):
        put(world, number)
    world.client.hset(world.keys.standing, mapping={f"{number:05}": f"[{number},null]" for number in range(49)})

    async def page() -> JobPage:
        async with connect_async(world.url) as client:
            store = GatewayStore(client, world.keys, world.bounds, 100)
            return await Jobs(store).page(Client("c"), None, 50, None)

    world.client.config_resetstat()
    jobs = asyncio.run(page()).jobs
    assert [job.position for job in jobs] == [None, *range(48, -1, -1)]
    calls = {verb: at["calls"] for verb, at in world.client.info("commandstats").items()}
    assert calls["cmdstat_hmget"] + calls.get("cmdstat_hget", 0) == 50 + 1
