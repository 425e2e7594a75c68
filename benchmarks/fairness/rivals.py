"""Scene 2: a client with one large job against another with as many single images, all sent at once."""

from __future__ import annotations

import asyncio

import msgspec

from benchmarks.fairness.service import Batch, Records, both, share, waiting_spans, windows
from benchmarks.fairness.stage import Stage

WINDOW_MS = 5_000.0
STEP_MS = 100.0
ONE_JOB, MANY = "one-job", "many-singles"


class Shares(msgspec.Struct, frozen=True):
    """The job's client's part of the service, in every window in which both had work waiting all the time.

    Attributes:
        shares: one a window, in order of time; ``window_ms`` is their length.
        both_waited_ms: how long both had work waiting.
        starts: each batch: when it was claimed (ms from the first), its level, its images of either client.
        singles_first_ms: how long after the job the first single was accepted, and
        singles_last_ms: the last one.
    """

    window_ms: float
    shares: list[float]
    both_waited_ms: float
    singles_first_ms: float
    singles_last_ms: float
    starts: list[tuple[float, int, int, int]]

    @property
    def least(self) -> float:
        """Of the shares; of either client, since there are two. Raises ValueError without any window."""
        return min(*self.shares, 1.0 - max(self.shares))


async def rivals(up: Stage, images: int, picture: bytes, window_ms: float = WINDOW_MS) -> Shares:
    """The job, and right after it the singles."""
    records = Records()
    async with up.caller(ONE_JOB) as one_job, up.caller(MANY) as many:
        job = await one_job.submit([picture] * images)
        answers = await asyncio.gather(*(many.detect(picture) for _ in range(images)))
        await one_job.until_final(job["id"])
        records.add(ONE_JOB, job, await one_job.results(job["id"]))
        for answer in answers:
            records.add(MANY, answer, answer["results"])
    return shares_of(records, window_ms)


def shares_of(records: Records, window_ms: float) -> Shares:
    """What the records of both tell."""
    batches = records.batches()
    spans = both(waiting_spans(batches, ONE_JOB), waiting_spans(batches, MANY))
    came = {name: sorted(i.came_ms for b in batches for i in b.images if i.client == name) for name in (ONE_JOB, MANY)}
    return Shares(
        window_ms,
        [share(batches, ONE_JOB, (ONE_JOB, MANY), window) for window in windows(spans, window_ms, STEP_MS)],
        sum(end_ms - start_ms for start_ms, end_ms in spans),
        came[MANY][0] - came[ONE_JOB][0],
        came[MANY][-1] - came[ONE_JOB][0],
        [_start(batch, batches[0].claimed_ms) for batch in batches],
    )


def _start(batch: Batch, first_ms: float) -> tuple[float, int, int, int]:
    ours = sum(image.client == ONE_JOB for image in batch.images)
    return round(batch.claimed_ms - first_ms), batch.level, ours, len(batch.images) - ours
