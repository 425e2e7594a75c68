"""Scene 3: more level-0 work than the worker can do, and a ``low`` job that must go on all the same."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import msgspec

from benchmarks.fairness.caller import Caller
from benchmarks.fairness.service import Batch, Records, epoch_ms
from benchmarks.fairness.stage import Stage
from scheduler.core.config import CoreConfig

PATIENT = "patient"
JOB_AFTER_S = 1.0
TIMER_STEP_MS = 1.0


def users(count: int) -> tuple[str, ...]:
    """The names of those who overload it."""
    return tuple(f"user-{number}" for number in range(count))


@dataclass(frozen=True)
class Bound:
    """The longest that the job may go without a start: A + T + F of ``docs/scheduling.md``, for one worker and lane.

    Attributes:
        clients: the most that level 0's ring has, the job's own included.
        batch_ms: C, from the claim of a full batch to its end.
        latency_ms: the longest that a message takes.
    """

    config: CoreConfig
    clients: int
    batch_ms: float
    latency_ms: float = 5.0

    @property
    def ms(self) -> float:
        """A + T + F. The job's client has nothing else at level 0 (r = 1), and the worker claims nothing ahead."""
        a_turn = ceil(self.config.quantum / self.config.batch_size)
        turn_ms = (self.clients * a_turn - 1) * self.batch_ms
        under_way_ms = 2 * self.batch_ms + self.config.tick_ms + TIMER_STEP_MS + 4 * self.latency_ms
        return self.config.boost_after_ms + turn_ms + under_way_ms


class Endured(msgspec.Struct, frozen=True):
    """What became of the ``low`` job.

    Attributes:
        ended_s: from its acceptance to its end; ``load_s`` the length of the load, ``singles`` its size.
        gaps_ms: the waits between its starts, the first from its acceptance.
        overtaken: for each of these waits, how many other batches began in it.
        starts_under_load: its batches that were claimed while level-0 work waited.
        batch_ms: the longest time from a claim to the next, while there was more to claim.
        aged: how often its trace says that it aged.
    """

    ended_s: float
    load_s: float
    singles: int
    gaps_ms: list[float]
    overtaken: list[int]
    starts: int
    starts_under_load: int
    batch_ms: float
    aged: int


@dataclass(frozen=True)
class Overload:
    """How much comes: ``load`` times what one worker does, in single images of ``clients`` users, for ``seconds``."""

    seconds: float
    clients: int
    images: int
    load: float = 1.2
    batch_cost_ms: float = 205.0
    batch_size: int = 10
    seed: int = 1

    def arrivals(self) -> list[tuple[float, str]]:
        """Seconds and users, a Poisson process."""
        dice, names, at_s = random.Random(self.seed), users(self.clients), 0.0
        rate_per_s = self.load * self.batch_size * 1000 / self.batch_cost_ms
        found: list[tuple[float, str]] = []
        while (at_s := at_s + dice.expovariate(rate_per_s)) < self.seconds:
            found.append((at_s, names[len(found) % self.clients]))
        return found


async def endure(up: Stage, plan: Overload, picture: bytes) -> Endured:
    """The singles, open loop, and one second later the job."""
    records = Records()
    arrivals = plan.arrivals()
    async with AsyncExitStack() as stack:
        callers = {name: await stack.enter_async_context(up.caller(name)) for name in (*users(plan.clients), PATIENT)}
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(_patient(callers[PATIENT], plan.images, picture, began_s + JOB_AFTER_S, records))
            for at_s, name in arrivals:
                tasks.create_task(_single(callers[name], name, picture, began_s + at_s, records))
        job = ended.result()
        trace = await callers[PATIENT].ask("GET", f"/v1/jobs/{job['id']}/trace")
    came_ms, ended_ms = epoch_ms(job["created_at"]), epoch_ms(job["finished_at"])
    batches = records.batches()
    gaps_ms, overtaken, under_load = _gaps(batches, came_ms)
    return Endured(
        ended_s=(ended_ms - came_ms) / 1000,
        load_s=plan.seconds,
        singles=len(arrivals),
        gaps_ms=gaps_ms,
        overtaken=overtaken,
        starts=len(gaps_ms),
        starts_under_load=under_load,
        batch_ms=_longest_batch_ms(batches, plan.batch_size),
        aged=sum(line["kind"] == "aged" for line in trace["trace"]),
    )


async def _patient(caller: Caller, images: int, picture: bytes, due_s: float, records: Records) -> dict[str, Any]:
    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    accepted = await caller.submit([picture] * images, priority="low")
    job = await caller.until_final(accepted["id"])
    records.add(PATIENT, job, await caller.results(job["id"]))
    return job


async def _single(caller: Caller, name: str, picture: bytes, due_s: float, records: Records) -> None:
    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    answer = await caller.detect(picture)
    records.add(name, answer, answer["results"])


def _gaps(batches: Sequence[Batch], came_ms: float) -> tuple[list[float], list[int], int]:
    """The job's waits for its starts, the batches that began in each, and its starts while others waited."""
    gaps_ms, overtaken, under_load = [], [], 0
    since_ms, others = came_ms, 0
    for number, batch in enumerate(batches):
        if not any(image.client == PATIENT for image in batch.images):
            others += batch.claimed_ms > since_ms
            continue
        gaps_ms.append(batch.claimed_ms - since_ms)
        overtaken.append(others)
        under_load += any(_waited(later, batch.claimed_ms) for later in batches[number + 1 :])
        since_ms, others = batch.claimed_ms, 0
    return gaps_ms, overtaken, under_load


def _waited(batch: Batch, at_ms: float) -> bool:
    """Whether others' images that ran in ``batch`` were waiting at that time."""
    return any(image.came_ms <= at_ms < image.claimed_ms for image in batch.images if image.client != PATIENT)


def _longest_batch_ms(batches: Sequence[Batch], full: int) -> float:
    """The longest from the claim of a full batch to the next claim where something had waited for that."""
    lengths = [
        later.claimed_ms - batch.claimed_ms
        for batch, later in pairwise(batches)
        if len(batch.images) == full and min(image.came_ms for image in later.images) <= batch.end_ms
    ]
    return max(lengths)
