"""Scenes 1 and 6: single images that arrive at random, without and beside 200-image jobs that run all the time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from statistics import median

import msgspec

from benchmarks.fairness.caller import Caller
from benchmarks.fairness.service import Records, epoch_ms
from benchmarks.fairness.stage import Stage

RATE_PER_S = 2.0
LEAD_S = 10.0
JOB_IMAGES = 200
SINGLES, BULK = "singles", "bulk"


class Single(msgspec.Struct, frozen=True):
    """A single image: its whole time as its client saw it, and what its result tells.

    Attributes:
        took_ms: from the moment at which it was to be sent to its answer.
        came_ms, claimed_ms: on Redis' clock; ``spent_ms`` is its part of its micro-batch.
        blocked_ms: how long its worker was still at a bulk's micro-batch when it came; 0 where it was not.
    """

    took_ms: float
    came_ms: float
    claimed_ms: float
    spent_ms: float
    worker: str
    blocked_ms: float = 0.0


class Job(msgspec.Struct, frozen=True):
    """A 200-image job on the server's clock, and what was said of its end when half of it was done."""

    came_ms: float
    end_ms: float
    looked_ms: float
    eta_ms: float | None

    @property
    def took_ms(self) -> float:
        """From its acceptance to its end."""
        return self.end_ms - self.came_ms

    @property
    def eta_error(self) -> float | None:
        """What the ETA at half-way was off by, as a part of what was left then; None where none was told."""
        left_ms = self.end_ms - self.looked_ms
        return None if self.eta_ms is None or left_ms <= 0 else abs(self.eta_ms - left_ms) / left_ms


class Block(msgspec.Struct, frozen=True):
    """What one block of singles found: the counted ones, those of its lead, and the jobs that ended meanwhile."""

    singles: list[Single]
    lead: list[Single]
    jobs: list[Job]

    def less_singles_ms(self, job: Job) -> float:
        """The job's time less the worker time that went to singles claimed while it was there."""
        meanwhile = (one for one in (*self.lead, *self.singles) if job.came_ms <= one.claimed_ms <= job.end_ms)
        return job.took_ms - sum(one.spent_ms for one in meanwhile)

    @property
    def covered(self) -> float:
        """The part of the time of the counted singles in which a job was there."""
        start_ms, end_ms = self.singles[0].came_ms, self.singles[-1].came_ms
        there = (min(job.end_ms, end_ms) - max(job.came_ms, start_ms) for job in self.jobs)
        return sum(max(0.0, ms) for ms in there) / max(1.0, end_ms - start_ms)


def arrivals(count: int, seed: int, rate_per_s: float = RATE_PER_S, lead_s: float = LEAD_S) -> list[float]:
    """Seconds of a Poisson process: all that come within the lead, then ``count`` more. The same for the same seed."""
    dice, times, at_s = random.Random(seed), [], 0.0
    counted = 0
    while counted < count:
        at_s += dice.expovariate(rate_per_s)
        times.append(at_s)
        counted += at_s >= lead_s
    return times


async def block(up: Stage, times_s: Sequence[float], picture: bytes, *, jobs: bool, lead_s: float = LEAD_S) -> Block:
    """Send singles at ``times_s``, open loop; with ``jobs`` one job after another from the first moment on."""
    records = Records()
    async with up.caller(SINGLES) as singles, up.caller(BULK) as bulk:
        began_s = time.perf_counter()
        stop = asyncio.Event()
        jobs_done: list[Job] = []
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_jobs_until(stop, bulk, picture, jobs_done, records)) if jobs else None
            sent = [tasks.create_task(_single(singles, picture, began_s + at_s, records)) for at_s in times_s]
            await asyncio.gather(*sent)
            stop.set()
            if running is not None:
                await running
    blocked = _blocked_ms(records)
    told = [(at_s, _with_block(task.result(), blocked)) for at_s, task in zip(times_s, sent, strict=True)]
    counted = [one for at_s, one in told if at_s >= lead_s]
    return Block(counted, [one for at_s, one in told if at_s < lead_s], jobs_done)


async def one_job(bulk: Caller, picture: bytes, images: int = JOB_IMAGES) -> Job:
    """A job to its end, looked at half-way."""
    return await _follow(bulk, await bulk.submit([picture] * images))


async def _single(caller: Caller, picture: bytes, due_s: float, records: Records) -> tuple[str, Single]:
    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    answer = await caller.detect(picture)
    took_ms = (time.perf_counter() - due_s) * 1000
    records.add(SINGLES, answer, answer["results"])
    result = answer["results"][0]
    came_ms = epoch_ms(answer["created_at"])
    spent_ms = result["timing"]["inference_ms"] / result["batch"]["size"]
    claimed_ms = came_ms + result["timing"]["queued_ms"]
    return answer["id"], Single(took_ms, came_ms, claimed_ms, spent_ms, result["batch"]["worker"])


async def _jobs_until(stop: asyncio.Event, bulk: Caller, picture: bytes, done: list[Job], records: Records) -> None:
    """One job after another; the one that runs when it is over is canceled."""
    while not stop.is_set():
        accepted = await bulk.submit([picture] * JOB_IMAGES)
        following = asyncio.create_task(_follow(bulk, accepted))
        over = asyncio.create_task(stop.wait())
        await asyncio.wait({following, over}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            done.append(following.result())
        else:
            following.cancel()
            await bulk.cancel(accepted["id"])
        over.cancel()
        records.add(BULK, accepted, await bulk.results(accepted["id"]))


async def _follow(bulk: Caller, accepted: dict[str, object]) -> Job:
    looked_ms, eta_ms = 0.0, None
    job: dict[str, object] = {}
    async for job in bulk.watched(str(accepted["id"])):
        images = job["images"]
        assert isinstance(images, dict)
        if not looked_ms and 2 * images["done"] >= images["total"] and job["finished_at"] is None:
            looked_ms, eta_ms = time.time() * 1000, job["eta_ms"]
    if job["state"] != "succeeded":
        raise RuntimeError(f"a job ended as {job['state']}")
    assert eta_ms is None or isinstance(eta_ms, float | int)
    return Job(epoch_ms(str(job["created_at"])), epoch_ms(str(job["finished_at"])), looked_ms, eta_ms)


def _blocked_ms(records: Records) -> dict[str, float]:
    """Job id of each single → how long the worker that took it was still at a bulk's micro-batch when it came."""
    found: dict[str, float] = {}
    before: dict[str, float] = {}
    for batch in records.batches():
        bulk_until_ms = before.get(batch.worker, 0.0)
        for image in batch.images:
            if image.client == SINGLES:
                found[image.job] = max(0.0, min(bulk_until_ms, batch.claimed_ms) - image.came_ms)
        before[batch.worker] = batch.end_ms if batch.images[0].client == BULK else 0.0
    return found


def _with_block(told: tuple[str, Single], blocked: dict[str, float]) -> Single:
    return msgspec.structs.replace(told[1], blocked_ms=blocked.get(told[0], 0.0))


def eta_error(jobs: Sequence[Job]) -> float:
    """The median of their ETAs' errors half-way. Raises ValueError where none was told."""
    errors = [job.eta_error for job in jobs if job.eta_error is not None]
    if not errors:
        raise ValueError("no job told an ETA half-way")
    return median(errors)
