"""What keeps the keyspace bounded: lifetimes, byte bounds, abandoned uploads. The scheduler runs it each second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tenfold.store.connection import BytesRedis
from tenfold.store.keys import Keys
from tenfold.store.scripts import call, call_in_turn

SLICE = 500
"""Keys, or jobs, dropped in one round trip, so that Redis never stops for long."""

SLICES_MAX = 10
"""Slices in one call, which comes each second: what falls due faster for long is not kept up with, and grows."""

JOBS_SWEPT_MAX = 1_000
IMAGES_SWEPT_MAX = 20_000
"""Ended jobs, and their images, in one call; a job that is larger goes alone."""


@dataclass(frozen=True, slots=True)
class Caretaker:
    """Drops what is over. Every method does a bounded amount and says how much it dropped; done twice it does no more.

    Attributes:
        keep_images_s: how long an image stays after its result; ``kept_bytes_max`` bounds them all, oldest first.
        result_ttl_s: how long a final job stays; ``result_bytes_max`` bounds all results together, oldest job first.
    """

    client: BytesRedis
    keys: Keys
    keep_images_s: float
    kept_bytes_max: int
    result_ttl_s: int
    result_bytes_max: int

    def drop_kept_images(self, now_ms: float) -> int:
        """Drop kept images that are over their time or, oldest first, over the bound of bytes."""
        return _in_slices(partial(self._drop_some_kept_images, now_ms))

    def _drop_some_kept_images(self, now_ms: float) -> int:
        members = self.client.zrangebyscore(
            self.keys.kept, "-inf", now_ms - self.keep_images_s * 1000, start=0, num=SLICE
        )
        over = int(self.client.hget(self.keys.totals, "kept_bytes") or 0) - self.kept_bytes_max - _bytes_of(members)
        if over > 0:
            for member in self.client.zrange(self.keys.kept, len(members), len(members) + SLICE):
                members.append(member)
                over -= _bytes_of([member])
                if over <= 0:
                    break
        keys = [self.keys.kept, self.keys.totals, self.keys.blob_prefix]
        return int(call(self.client, "drop_kept", keys, members)) if members else 0

    def drop_old_jobs(self, now_ms: float) -> int:
        """Take jobs whose keys have run out off the lists."""
        over_ms = now_ms - self.result_ttl_s * 1000
        lists = (self.keys.finished, self.keys.emptied)
        return sum(_in_slices(partial(self._drop_some_old_jobs, key, over_ms)) for key in lists)

    def _drop_some_old_jobs(self, key: str, over_ms: float) -> int:
        members = self.client.zrangebyscore(key, "-inf", over_ms, start=0, num=SLICE)
        keys = [key, self.keys.totals, self.keys.jobs, self.keys.jobs_of_prefix]
        return int(call(self.client, "drop_old_jobs", keys, members)) if members else 0

    def drop_results(self) -> int:
        """Drop the results of the oldest final jobs while all together are over the bound.

        A job without results, these from now on too, is put aside: it would stand in the way of the next look.
        """
        dropped = 0
        for _ in range(SLICES_MAX):
            over = int(self.client.hget(self.keys.totals, "result_bytes") or 0) - self.result_bytes_max
            members = self._oldest_results(over)
            if not members:
                break
            keys = [self.keys.finished, self.keys.emptied, self.keys.totals, self.keys.job_prefix]
            dropped += int(call(self.client, "drop_results", keys, [self.result_ttl_s, *members]))
        return dropped

    def _oldest_results(self, over: int) -> list[bytes]:
        """The oldest final jobs, at most a slice, whose results are ``over`` bytes together; none where that is 0."""
        members: list[bytes] = []
        if over <= 0:
            return members
        for member in self.client.zrange(self.keys.finished, 0, SLICE - 1):
            members.append(member)
            over -= _size_of(member)
            if over <= 0:
                break
        return members

    def abandon_uploads(self, now_ms: float) -> int:
        """Drop what uploads left that send nothing any more."""
        return _in_slices(partial(self._abandon_some_uploads, now_ms))

    def _abandon_some_uploads(self, now_ms: float) -> int:
        ids = [raw.decode() for raw in self.client.zrangebyscore(self.keys.uploads, "-inf", now_ms, start=0, num=SLICE)]
        k = self.keys
        keys = [[k.upload(job_id), k.uploads, k.items(job_id), k.blob_prefix] for job_id in ids]
        verbs = [("sweep_upload", names, [job_id, int(now_ms)]) for job_id, names in zip(ids, keys, strict=True)]
        for reply in call_in_turn(self.client, *verbs):
            if isinstance(reply, Exception):
                raise reply
        return len(ids)

    def sweep_ended_jobs(self) -> int:
        """Drop the images of canceled and expired jobs that have not run and never will."""
        ids = [raw.decode() for raw in self.client.hgetall(self.keys.sweeps)][:JOBS_SWEPT_MAX]
        swept = self._as_many_as_one_call_sweeps(ids)
        if swept:
            pipe = self.client.pipeline(transaction=False)
            for job_id in swept:
                pipe.lrange(self.keys.order(job_id), 0, -1)
            blobs = [
                self.keys.blob(job_id, index)
                for (job_id, total), done in zip(swept.items(), pipe.execute(), strict=True)
                for index in set(range(total)).difference(map(int, done))
            ]
            for start in range(0, len(blobs), SLICE):
                self.client.unlink(*blobs[start : start + SLICE])
            self.client.hdel(self.keys.sweeps, *swept)
        return len(swept)

    def _as_many_as_one_call_sweeps(self, ids: Sequence[str]) -> dict[str, int]:
        """The first of these jobs, each with how many images it has."""
        pipe = self.client.pipeline(transaction=False)
        for job_id in ids:
            pipe.hget(self.keys.job(job_id), "total")
        chosen: dict[str, int] = {}
        left = IMAGES_SWEPT_MAX
        for job_id, raw in zip(ids, pipe.execute() if ids else (), strict=True):
            total = int(raw or 0)
            if chosen and total > left:
                break
            chosen[job_id] = total
            left -= total
        return chosen


def _in_slices(drop: Callable[[], int]) -> int:
    """How much ``drop`` dropped, called again as long as its slices are full."""
    dropped = 0
    for _ in range(SLICES_MAX):
        some = drop()
        dropped += some
        if some < SLICE:
            break
    return dropped


def _bytes_of(members: Sequence[bytes]) -> int:
    return sum(int(member.rsplit(b":", 1)[1]) for member in members)


def _size_of(member: bytes) -> int:
    return int(member.rsplit(b" ", 1)[1])
