"""What the gateway does in Redis: take uploads in, submit, read, cancel. Asynchronous; holds no state of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from tenfold.contract.codec import decode, encode, encode_event
from tenfold.contract.errors import Unavailable
from tenfold.contract.events import JobClosed, JobEnded, JobSubmitted
from tenfold.contract.records import (
    ItemMeta,
    ItemResult,
    ModelInfo,
    ReloadOutcome,
    ReloadRequest,
    Submission,
    WorkerInfo,
)
from tenfold.contract.states import JobState
from tenfold.store.bounds import UPLOAD_LIFETIME_MS, Bounds, Room, upload_expired
from tenfold.store.connection import AsyncBytesRedis
from tenfold.store.keys import Keys
from tenfold.store.scripts import Argument, call_async, queue_call
from tenfold.store.views import JOB_FIELDS, JobView

PAGE_SCAN_MAX = 2_000
"""How many jobs one page looks at, at most, to find those in the state asked for."""


IDEMPOTENCY_LIFETIME_S = 86_400
"""How long the same request is answered with the same job."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Who holds an idempotency key; ``fingerprint`` is "" while the body still arrives."""

    job_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Queued:
    """What is queued now, in total and of one client."""

    items: int
    bytes: int
    client_items: int
    client_bytes: int


@dataclass(frozen=True, slots=True)
class UploadStep:
    """A part of an upload on its way in.

    Attributes:
        first: nothing of it was stored before.
        images: how many images have begun so far.
        pieces: (index, offset, bytes) of what arrived since the last step.
        metas: in the last step, what is known of every image, in index order.
        extends: the open job that it is for, "" where it becomes a job of its own.
    """

    job_id: str
    client: str
    first: bool
    images: int
    pieces: Sequence[tuple[int, int, bytes]] = ()
    metas: Sequence[ItemMeta] = ()
    extends: str = ""


@dataclass(frozen=True, slots=True)
class ArrivedPart:
    """Images for an open job that have all arrived, as the upload ``upload_id``; ``count`` of ``bytes`` together."""

    upload_id: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Reload:
    """A request to load a model anew, and what came of it so far by worker."""

    request: ReloadRequest
    outcomes: Mapping[str, ReloadOutcome]


@dataclass(frozen=True, slots=True)
class GatewayStore:
    """The gateway's side of the keyspace.

    Attributes:
        result_ttl_s: how long a job's keys stay after it is final.
        fsync_within_ms: how long a submission waits for Redis' fsync; 0: not at all. Needs Redis 7.2.
    """

    client: AsyncBytesRedis
    keys: Keys
    bounds: Bounds
    result_ttl_s: int
    fsync_within_ms: int = 0

    # Uploads: images first, then one submission.

    async def begin_upload(self, job_id: str, client: str, now_ms: float, extends: str = "") -> Queued:
        """Register an upload before its first byte, so that an abandoned one is swept. Returns what is queued now.

        ``extends`` is the open job that it is for, if it is: while images for it arrive, it is not idle.
        """
        pipe = self.client.pipeline()
        if extends:
            pipe.zadd(self.keys.open_jobs, {extends: int(now_ms)}, xx=True, gt=True)
        pipe.hset(self.keys.upload(job_id), mapping={"client": client, "images": 0})
        pipe.zadd(self.keys.uploads, {job_id: now_ms + UPLOAD_LIFETIME_MS})
        pipe.hmget(self.keys.queued, _queued_fields(client))
        return _read_queued((await pipe.execute())[-1])

    async def write_upload(self, step: UploadStep, now_ms: float) -> Queued:
        """Store what arrived since the last step, in one round trip; the first one registers the upload.

        Returns what is queued. By offset, so that a piece sent twice over a bad line changes nothing.

        Raises:
            Conflict: the upload sent nothing for too long and was swept; nothing was stored.
        """
        k = self.keys
        pieces: list[Argument] = []
        for _, offset, piece in step.pieces:
            pieces += (offset, piece)
        blobs = [k.blob(step.job_id, index) for index, _, _ in step.pieces]
        reply = await call_async(
            self.client,
            "write_upload",
            [k.upload(step.job_id), k.uploads, k.items(step.job_id), k.queued, k.open_jobs, *blobs],
            [
                step.job_id,
                step.client,
                "1" if step.first else "",
                step.images,
                int(now_ms + UPLOAD_LIFETIME_MS),
                step.extends,
                int(now_ms),
                len(step.pieces),
                *pieces,
                *[encode(meta) for meta in step.metas],
            ],
        )
        if reply is None:
            raise upload_expired()
        return _read_queued(reply)

    async def drop_image(self, job_id: str, index: int) -> None:
        """Forget an image that was refused."""
        await self.client.unlink(self.keys.blob(job_id, index))

    async def abandon_upload(self, job_id: str) -> None:
        """Forget an upload; the scheduler sweeps its images."""
        pipe = self.client.pipeline()
        pipe.zadd(self.keys.uploads, {job_id: 0}, xx=True)
        pipe.delete(self.keys.items(job_id))
        await pipe.execute()

    async def queued(self, client: str) -> Queued:
        """What is queued, for a first check before a body is read."""
        return _read_queued(await self.client.hmget(self.keys.queued, _queued_fields(client)))

    async def reserve(self, key: str, job_id: str) -> Reservation | None:
        """Reserve an idempotency key for an upload that has begun; None where it is this upload's now.

        Otherwise the one who holds it: the same request is answered with that job.
        """
        reply = await call_async(self.client, "reserve_key", [key, self.keys.uploads], [job_id, IDEMPOTENCY_LIFETIME_S])
        return None if reply[0] == b"new" else Reservation(reply[1].decode(), reply[2].decode())

    async def release(self, key: str, job_id: str) -> None:
        """Give a reserved key back: its upload came to nothing."""
        await call_async(self.client, "release_key", [key], [job_id])

    async def take_quota(self, client: str, images: int, most: int) -> tuple[bool, int, float]:
        """Take images from the ``most`` that a client may send within a minute; 0 only looks whether one is left.

        Returns whether they were taken, how many are left, and the milliseconds until what was asked for is free, or
        on success until more is.
        """
        taken, left, wait_ms = await call_async(
            self.client, "take_quota", [self.keys.quota(client)], ["", images, most]
        )
        return bool(taken), int(left), float(wait_ms)

    async def give_back_quota(self, client: str, images: int) -> None:
        """Put images back that were taken a moment ago and not accepted."""
        await call_async(self.client, "give_back_quota", [self.keys.quota(client)], [images])

    async def submit(
        self, job: Submission, rejected: Mapping[int, ItemResult], idempotency: tuple[str, str] | None = None
    ) -> JobState:
        """Accept the job: one atomic step whatever its size. ``rejected`` images already have their error.

        ``idempotency`` is the reserved key and the request's fingerprint.

        Raises:
            ClientQueueFull: the client's bound is reached, of images or of open jobs.
            Unavailable: everyone's bound is reached.
            Conflict: the upload took too long and was swept.
        """
        k = self.keys
        key, fingerprint = idempotency or (k.job(job.job_id), "")
        reply = await self._durably(
            "submit",
            [
                k.job(job.job_id),
                k.results(job.job_id),
                k.order(job.job_id),
                k.jobs,
                k.jobs_of(job.client),
                k.active,
                k.events,
                k.queued,
                k.uploads,
                k.upload(job.job_id),
                k.finished,
                k.changed,
                k.job_prefix,
                k.totals,
                key,
                k.open_jobs,
            ],
            [
                "",
                job.job_id,
                job.client,
                job.count,
                job.bytes,
                encode(job),
                encode_event(JobSubmitted(job, sorted(rejected))),
                *self.bounds.for_verbs,
                self.result_ttl_s,
                fingerprint,
                "1" if job.open else "",
                self.bounds.open_jobs_max,
                *_pairs(rejected),
            ],
        )
        if reply[0] == b"exists":
            return JobState.QUEUED
        self.bounds.require_room(reply, Room(job.count, job.bytes))
        return JobState(cast("bytes", reply[1]).decode())

    async def extend(
        self,
        job_id: str,
        part: ArrivedPart,
        rejected: Mapping[int, ItemResult],
        idempotency: tuple[str, str] | None = None,
    ) -> int:
        """Add images to an open job, in one atomic step; the index that the first of them has there.

        ``rejected`` are those that already have their error, by their index within the part. ``idempotency`` is the
        reserved key and the request's fingerprint.

        Raises:
            ClientQueueFull, Unavailable, TooLarge: a bound is reached.
            Conflict: the job is not open (any more), or the upload took too long and was swept.
            NotFound: there is no such job (any more).
        """
        k = self.keys
        key, fingerprint = idempotency or (k.job(job_id), "")
        reply = await self._durably(
            "extend",
            [
                k.job(job_id),
                k.results(job_id),
                k.order(job_id),
                k.items(job_id),
                k.parts(job_id),
                k.items(part.upload_id),
                k.events,
                k.queued,
                k.uploads,
                k.upload(part.upload_id),
                k.open_jobs,
                k.changed,
                k.totals,
                k.blob_prefix,
                key,
            ],
            [
                "",
                job_id,
                part.upload_id,
                part.count,
                part.bytes,
                self.bounds.images_per_job_max,
                fingerprint,
                *self.bounds.for_verbs,
                *_pairs(rejected),
            ],
        )
        self.bounds.require_open(reply, part.count)
        self.bounds.require_room(reply, Room(part.count, part.bytes))
        return int(reply[1])

    async def part(self, job_id: str, upload_id: str) -> int | None:
        """The index that the first image of a part was given, or None where no such part was added."""
        raw = await self.client.hget(self.keys.parts(job_id), upload_id)
        return None if raw is None else int(raw)

    async def close(self, job_id: str) -> JobState | None:
        """Close an open job; the state that it has now, or None where there is none. A closed one stays as it is."""
        k = self.keys
        reply = await call_async(
            self.client,
            "close",
            [k.active, k.finished, k.queued, k.changed, k.job_prefix, k.events, k.open_jobs, k.leader],
            ["", job_id, encode_event(JobClosed(job_id)), "", ""],
        )
        return None if reply is None else JobState(reply.decode())

    async def _durably(self, verb: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run a verb; with ``fsync_within_ms``, wait until the append-only file holds it on the disk.

        Raises:
            Unavailable: the disk did not take it in time. It may be accepted all the same: the idempotency key tells.
        """
        if not self.fsync_within_ms:
            return await call_async(self.client, verb, keys, args)
        # In one pipeline, since WAITAOF waits for the writes of its own connection (and, by their order, all before).
        pipe = self.client.pipeline(transaction=False)
        queue_call(pipe, verb, keys, args)
        pipe.execute_command("WAITAOF", 1, 0, self.fsync_within_ms)
        reply, fsynced = await pipe.execute()
        if reply[0] == b"ok" and fsynced[0] < 1:
            raise Unavailable(
                f"the disk did not take the job within {self.fsync_within_ms} ms", code="not_durable", retry_after_s=5
            )
        return reply

    # Jobs.

    async def job(self, job_id: str) -> JobView | None:
        """The job as it stands, or None."""
        return JobView.of(await self.client.hmget(self.keys.job(job_id), list(JOB_FIELDS)))

    async def jobs_page(
        self, client: str | None, *, state: JobState | None, before: tuple[float, str] | None, limit: int
    ) -> tuple[list[JobView], tuple[float, str] | None]:
        """Jobs, newest first, of one client or (None) of all; and the place after which more may follow.

        Args:
            state: only jobs in this state; a page may then be shorter although more follow.
            before: (time of acceptance in ms, job id) of the last one seen: only older ones follow.
        """
        key = self.keys.jobs if client is None else self.keys.jobs_of(client)
        found: list[JobView] = []
        place = before
        for offset in range(0, PAGE_SCAN_MAX, limit):
            newest = "+inf" if before is None else before[0]
            raw = await self.client.zrange(
                key, newest, "-inf", desc=True, byscore=True, offset=offset, num=limit, withscores=True
            )
            listed = [(float(score), member.decode()) for member, score in raw]
            older = [one for one in listed if before is None or one < before]
            pipe = self.client.pipeline(transaction=False)
            for _, job_id in older:
                pipe.hmget(self.keys.job(job_id), list(JOB_FIELDS))
            for seen, view in zip(older, map(JobView.of, await pipe.execute()), strict=True):
                place = seen
                if view is not None and (state is None or view.state is state):
                    found.append(view)
                if len(found) == limit:
                    return found, place
            if len(raw) < limit:
                return found, None
        return found, place

    async def standing(self, job_id: str) -> tuple[int, float | None] | None:
        """(images ahead, milliseconds until it ends) as the scheduler last told, or None."""
        raw = await self.client.hget(self.keys.standing, job_id)
        return None if raw is None else msgspec.json.decode(raw, type=tuple[int, float | None])

    async def end_job(self, job_id: str, state: JobState) -> JobState | None:
        """Cancel a job; the state that it has now, or None where there is none. A final state stays as it is."""
        k = self.keys
        reply = await call_async(
            self.client,
            "end_job",
            [k.active, k.finished, k.queued, k.changed, k.job_prefix, k.events, k.sweeps, k.leader, k.open_jobs],
            ["", job_id, state.value, encode_event(JobEnded(job_id, state.value)), ""],
        )
        return None if reply is None else JobState(reply.decode())

    async def results(self, job_id: str, indexes: Sequence[int]) -> list[ItemResult | None]:
        """The results of these images, None for each that has none yet."""
        if not indexes:
            return []
        raw = await self.client.hmget(self.keys.results(job_id), [str(index) for index in indexes])
        return [None if value is None else decode(value, ItemResult) for value in raw]

    async def outcome(self, job_id: str, indexes: Sequence[int]) -> tuple[JobView | None, list[ItemResult | None]]:
        """The job as it stands and the results of these images, of one moment and in one round trip."""
        pipe = self.client.pipeline()
        pipe.hmget(self.keys.job(job_id), list(JOB_FIELDS))
        pipe.hmget(self.keys.results(job_id), [str(index) for index in indexes])
        fields, raw = await pipe.execute()
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

    # The system.

    async def ping(self) -> None:
        """Raise where Redis does not answer."""
        await self.client.ping()

    async def scheduler_leads(self) -> bool:
        """Whether some scheduler is active."""
        return bool(await self.client.exists(self.keys.leader))

    async def models(self) -> list[ModelInfo]:
        """Every model that a worker serves or served."""
        return [decode(raw, ModelInfo) for raw in (await self.client.hgetall(self.keys.models)).values()]

    async def request_reload(self, request: ReloadRequest) -> None:
        """Ask the workers to load a model anew; the last request counts."""
        await self.client.hset(self.keys.reloads, request.model, encode(request))

    async def reloads(self) -> list[Reload]:
        """The last reload of each model that was ever reloaded, with what came of it so far."""
        requests = [decode(raw, ReloadRequest) for raw in (await self.client.hgetall(self.keys.reloads)).values()]
        pipe = self.client.pipeline(transaction=False)
        for request in requests:
            pipe.hgetall(self.keys.reload(request.id))
        told = await pipe.execute() if requests else []
        return [
            Reload(request, {worker.decode(): decode(raw, ReloadOutcome) for worker, raw in outcomes.items()})
            for request, outcomes in zip(requests, told, strict=True)
        ]

    async def workers(self, now_ms: float, lost_after_ms: float) -> list[tuple[WorkerInfo, float]]:
        """The living workers and when each last beat."""
        pipe = self.client.pipeline(transaction=False)
        pipe.hgetall(self.keys.workers)
        pipe.zrange(self.keys.beats, 0, -1, withscores=True)
        records, beats = await pipe.execute()
        at = {name: float(score) for name, score in beats}
        return [
            (decode(raw, WorkerInfo), at[name])
            for name, raw in records.items()
            if name in at and at[name] >= now_ms - lost_after_ms
        ]

    async def claims(self) -> dict[str, str]:
        """Batch id → worker of every batch that runs."""
        return {
            batch.decode(): worker.decode() for batch, worker in (await self.client.hgetall(self.keys.claims)).items()
        }

    async def status(self) -> dict[str, object] | None:
        """What the scheduler last published of its queues, or None where none has for some seconds."""
        raw = await self.client.get(self.keys.status)
        return None if raw is None else cast("dict[str, object]", msgspec.json.decode(raw))

    async def now_ms(self) -> float:
        """Redis' clock."""
        seconds, micros = await self.client.time()
        return float(seconds * 1000 + micros / 1000)


def _pairs(rejected: Mapping[int, ItemResult]) -> list[Argument]:
    return [part for index, result in sorted(rejected.items()) for part in (index, encode(result))]


def _queued_fields(client: str) -> list[str]:
    return ["items", "bytes", f"items:{client}", f"bytes:{client}"]


def _read_queued(values: Sequence[bytes | None]) -> Queued:
    return Queued(*[int(value or 0) for value in values])
