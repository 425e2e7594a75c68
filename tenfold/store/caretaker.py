"""What keeps the keyspace bounded: lifetimes, byte bounds, abandoned uploads. The scheduler runs it each second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenfold.store.connection import BytesRedis
from tenfold.store.keys import Keys
from tenfold.store.scripts import call

SLICE = 500
"""Keys, or jobs, dropped in one round trip, so that Redis never stops for long."""


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
        dropped = 0
        for key in (self.keys.finished, self.keys.emptied):
            members = self.client.zrangebyscore(key, "-inf", over_ms, start=0, num=SLICE)
            if members:
                keys = [key, self.keys.totals, self.keys.jobs, self.keys.jobs_of_prefix]
                dropped += int(call(self.client, "drop_old_jobs", keys, members))
        return dropped

    def drop_results(self) -> int:
        """Drop the results of the oldest final jobs while all together are over the bound.

        A job without results, these from now on too, is put aside: it would stand in the way of the next look.
        """
        over = int(self.client.hget(self.keys.totals, "result_bytes") or 0) - self.result_bytes_max
        if over <= 0:
            return 0
        members = []
        for member in self.client.zrange(self.keys.finished, 0, SLICE - 1):
            members.append(member)
            over -= _size_of(member)
            if over <= 0:
                break
        keys = [self.keys.finished, self.keys.emptied, self.keys.totals, self.keys.job_prefix]
        return int(call(self.client, "drop_results", keys, [self.result_ttl_s, *members])) if members else 0

    def abandon_uploads(self, now_ms: float) -> int:
        """Drop what uploads left that send nothing any more."""
        ids = self.client.zrangebyscore(self.keys.uploads, "-inf", now_ms, start=0, num=50)
        for raw in ids:
            job_id = raw.decode()
            keys = [self.keys.upload(job_id), self.keys.uploads, self.keys.items(job_id), self.keys.blob_prefix]
            call(self.client, "sweep_upload", keys, [job_id, int(now_ms)])
        return len(ids)

    def sweep_ended_jobs(self) -> int:
        """Drop the images of canceled and expired jobs that have not run and never will."""
        swept = 0
        for raw in list(self.client.hgetall(self.keys.sweeps))[:20]:
            job_id = raw.decode()
            total = int(self.client.hget(self.keys.job(job_id), "total") or 0)
            done = {int(index) for index in self.client.lrange(self.keys.order(job_id), 0, -1)}
            self._unlink_images(job_id, [index for index in range(total) if index not in done])
            self.client.hdel(self.keys.sweeps, raw)
            swept += 1
        return swept

    def _unlink_images(self, job_id: str, indexes: Sequence[int]) -> None:
        for start in range(0, len(indexes), SLICE):
            self.client.unlink(*[self.keys.blob(job_id, index) for index in indexes[start : start + SLICE]])


def _bytes_of(members: Sequence[bytes]) -> int:
    return sum(int(member.rsplit(b":", 1)[1]) for member in members)


def _size_of(member: bytes) -> int:
    return int(member.rsplit(b" ", 1)[1])
