"""Jobs that ended, each told of once."""

import asyncio
from dataclasses import replace

from msgspec.structs import replace as changed

from tenfold.contract.codec import decode, encode
from tenfold.contract.records import Submission
from tenfold.contract.states import JobState
from tenfold.store.connection import connect_async
from tenfold.store.ended_jobs import NOTE_S, SETTLED_MS, WINDOW_MS, EndedJobs
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.scheduler_store import JobTrace
from tests.integration.store.store_world import World

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def end(world: World, job_id: str, traceparent: str = TRACEPARENT) -> int:
    """Cancel a job of one image; when that was, on Redis' clock."""
    world.submit(job_id, 1)
    job = decode(world.client.hget(world.keys.job(job_id), "submission"), Submission)
    world.client.hset(world.keys.job(job_id), "submission", encode(changed(job, traceparent=traceparent)))

    async def cancel() -> None:
        async with connect_async(world.url) as client:
            await GatewayStore(client, world.keys, world.bounds, 100).end_job(job_id, JobState.CANCELED)

    asyncio.run(cancel())
    return int(world.client.hget(world.keys.job(job_id), "finished_ms"))


def looking(world: World) -> EndedJobs:
    return EndedJobs(world.client, world.keys)


def at(jobs: EndedJobs, now_ms: int) -> EndedJobs:
    return replace(jobs, injected_now_ms=now_ms)


def test_each_job_is_taken_once(world: World) -> None:
    """Of two who look one is given a job, after its end has settled; what ended before the first look never is."""
    before_ms = end(world, "before")
    jobs = looking(world)
    assert at(jobs, before_ms + SETTLED_MS).take() == []
    ended_ms = end(world, "a")
    assert at(jobs, ended_ms + SETTLED_MS - 1).take() == []
    assert at(jobs, ended_ms + SETTLED_MS).take() == ["a"]
    assert at(jobs, ended_ms + SETTLED_MS).take() == []
    assert at(jobs, ended_ms + SETTLED_MS + 1).take() == []


def test_what_ended_while_nobody_looked_is_taken_later(world: World) -> None:
    """A scheduler that comes back takes what ended meanwhile, a minute of it at a time."""
    jobs = looking(world)
    now_ms = int(world.client.time()[0]) * 1000
    at(jobs, now_ms).take()
    ended_ms = end(world, "a")
    late_ms = ended_ms + 2 * WINDOW_MS
    assert at(jobs, late_ms).take() == ["a"]
    assert 0 < world.client.ttl(world.keys.told) <= NOTE_S


def test_only_traced_jobs_are_read_with_their_story(world: World) -> None:
    """Of the jobs that ended those with a traceparent come back, with their state and trace; one that is gone not."""
    end(world, "a")
    end(world, "b", traceparent="")
    line = b'{"job_id":"a","kind":"sank","level":1,"at_ms":5.0,"detail":{"why":"x"}}'
    world.scheduler.trace({"a": JobTrace(1, [line])})
    (job,) = looking(world).traced(["a", "b", "gone"])
    assert (job.job.job_id, job.state, job.total, job.level, job.started_ms) == ("a", JobState.CANCELED, 1, 1, None)
    assert [(told.kind, told.level, told.at_ms, told.detail) for told in job.trace] == [("sank", 1, 5.0, {"why": "x"})]


def test_no_job_that_ended_is_no_round_trip_more(world: World) -> None:
    """Nothing taken is nothing read."""
    assert looking(world).traced([]) == []
