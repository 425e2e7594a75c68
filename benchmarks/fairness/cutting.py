"""Scene 5: what it costs a job alone that its batches run in pieces, between which something urgent could come.

Two systems are up at once and take turns. One has a general worker. The other's worker serves the last level alone:
nothing that it may claim is more urgent than what it runs, so that it never cuts a batch. All else is the same.
"""

from __future__ import annotations

import msgspec

from benchmarks.fairness.beside import BULK, JOB_IMAGES
from benchmarks.fairness.service import Records, epoch_ms
from benchmarks.fairness.stage import Stage

LAST_LEVEL_ONLY = ("--levels", "2")


class Pair(msgspec.Struct, frozen=True):
    """One job's ms from its first start to its end with batches in pieces, and another's with whole ones.

    ``pieces_a_batch`` and ``whole_a_batch`` are micro-batches, on the average.
    """

    pieces_ms: float
    whole_ms: float
    pieces_a_batch: float
    whole_a_batch: float

    @property
    def speed(self) -> float:
        """With pieces ÷ without."""
        return self.whole_ms / self.pieces_ms


async def pair(general: Stage, uncut: Stage, picture: bytes, *, general_first: bool) -> Pair:
    """A job on each, one after the other."""
    order = (general, uncut) if general_first else (uncut, general)
    found = {up.port: await _timed(up, picture) for up in order}
    (pieces_ms, pieces), (whole_ms, whole) = found[general.port], found[uncut.port]
    return Pair(pieces_ms, whole_ms, pieces, whole)


async def _timed(up: Stage, picture: bytes) -> tuple[float, float]:
    async with up.caller(BULK) as bulk:
        accepted = await bulk.submit([picture] * JOB_IMAGES)
        job = await bulk.until_final(accepted["id"])
        records = Records()
        records.add(BULK, job, await bulk.results(job["id"]))
    batches = records.batches()
    pieces = sum(len(batch.pieces) for batch in batches)
    # From the first claim: the upload is no part of it. The last commit is the job's end.
    took_ms = epoch_ms(job["finished_at"]) - batches[0].claimed_ms
    return took_ms, pieces / len(batches)
