"""Jobs, their results and their images, as anybody may read them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

import msgspec

from tenfold.contract.codec import decode
from tenfold.contract.records import ItemMeta, ItemResult
from tenfold.contract.states import JobState
from tenfold.store.keyspace import AsyncKeyspace
from tenfold.store.scripts import call_async
from tenfold.store.views import JOB_FIELDS, JobView

PAGE_SCAN_MAX = 2_000
"""How many jobs one page looks at, at most, to find those in the state asked for."""

SCAN_STEP = 200
"""How many of these in one step: those in a state may be few, and each step is two round trips."""


class JobReader(AsyncKeyspace):
    """Reads of jobs; nothing here changes one."""

    __slots__ = ()

    async def job(self, job_id: str) -> JobView | None:
        """The job as it stands, or None."""
        return JobView.of(await self.client.hmget(self.keys.job(job_id), list(JOB_FIELDS)))

    async def jobs_page(
        self, client: str | None, *, state: JobState | None, before: tuple[float, str] | None, limit: int
    ) -> tuple[list[JobView], tuple[float, str] | None]:
        """Jobs, newest first, of one client or (None) of all; and the place after which more follow, None at the end.

        Args:
            state: only jobs in this state; a page may then be shorter although more follow.
            before: (time of acceptance in ms, job id) of the last one seen: only older ones follow.
        """
        key = self.keys.jobs if client is None else self.keys.jobs_of(client)
        found: list[tuple[tuple[float, str], JobView]] = []
        place = before
        # One more than is shown tells whether more follow.
        step = limit + 1 if state is None else max(limit + 1, SCAN_STEP)
        for offset in range(0, PAGE_SCAN_MAX, step):
            newest = "+inf" if before is None else before[0]
            raw = await self.client.zrange(
                key, newest, "-inf", desc=True, byscore=True, offset=offset, num=step, withscores=True
            )
            listed = [(float(score), member.decode()) for member, score in raw]
            # Not those that were seen: what comes meanwhile moves them into the next step.
            older = [one for one in listed if place is None or one < place]
            pipe = self.client.pipeline(transaction=False)
            for _, job_id in older:
                pipe.hmget(self.keys.job(job_id), list(JOB_FIELDS))
            for seen, view in zip(older, map(JobView.of, await pipe.execute()), strict=True):
                place = seen
                if view is not None and (state is None or view.state is state):
                    found.append((seen, view))
            if len(found) > limit:
                return [view for _, view in found[:limit]], found[limit - 1][0]
            if len(raw) < step:
                place = None
                break
        return [view for _, view in found], place

    async def standings(self, job_ids: Sequence[str]) -> dict[str, tuple[int, float | None]]:
        """(images ahead, milliseconds until it ends) of each job that the scheduler last told of."""
        if not job_ids:
            return {}
        raw = await self.client.hmget(self.keys.standing, list(job_ids))
        told = zip(job_ids, raw, strict=True)
        return {job: msgspec.json.decode(at, type=tuple[int, float | None]) for job, at in told if at is not None}

    async def part(self, job_id: str, upload_id: str) -> int | None:
        """The index that the first image of a part was given, or None where no such part was added."""
        raw = await self.client.hget(self.keys.parts(job_id), upload_id)
        return None if raw is None else int(raw)

    async def results(self, job_id: str, indexes: Sequence[int]) -> list[ItemResult | None]:
        """The results of these images, None for each that has none yet."""
        if not indexes:
            return []
        raw = await self.client.hmget(self.keys.results(job_id), [str(index) for index in indexes])
        return [None if value is None else decode(value, ItemResult) for value in raw]

    async def outcome(self, job_id: str, indexes: Sequence[int]) -> tuple[JobView | None, list[ItemResult | None]]:
        """The job as it stands and the results of these images, of one moment and in one round trip."""
        fields, raw = await call_async(
            self.client,
            "outcome",
            [self.keys.job(job_id), self.keys.results(job_id)],
            [len(JOB_FIELDS), *JOB_FIELDS, *indexes],
        )
        return JobView.of(fields), [None if value is None else decode(value, ItemResult) for value in raw]

    async def committed(self, job_id: str, start: int, count: int) -> list[int]:
        """Indexes in the order in which they were committed, from the ``start``-th on."""
        return [int(index) for index in await self.client.lrange(self.keys.order(job_id), start, start + count - 1)]

    async def images(self, job_id: str, start: int, count: int) -> list[ItemMeta]:
        """What is known of the images from ``start`` on."""
        raw = await self.client.lrange(self.keys.items(job_id), start, start + count - 1)
        return [decode(value, ItemMeta) for value in raw]

    async def image(self, job_id: str, index: int) -> bytes | None:
        """The encoded image, or None where it is no longer kept."""
        return cast("bytes | None", await self.client.get(self.keys.blob(job_id, index)))

    async def kept(self, job_id: str, indexes: Sequence[int]) -> list[int]:
        """Those of these images that are still kept, in this order."""
        pipe = self.client.pipeline(transaction=False)
        for index in indexes:
            pipe.exists(self.keys.blob(job_id, index))
        return [index for index, there in zip(indexes, await pipe.execute(), strict=True) if there]

    async def trace(self, job_id: str) -> list[dict[str, object]]:
        """What the scheduler did with the job, in order."""
        return [msgspec.json.decode(raw) for raw in await self.client.lrange(self.keys.trace(job_id), 0, -1)]

    async def changes(self) -> AsyncGenerator[str]:
        """Ids of jobs as they move on, for ever.

        Raises:
            redis.exceptions.ConnectionError: the line broke; changes may have been missed.
        """
        async with self.client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(self.keys.changed)
            while True:
                message = await channel.get_message(timeout=1.0)
                if message is not None:
                    yield message["data"].decode()
