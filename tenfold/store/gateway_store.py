"""What the gateway does in Redis: take uploads in, submit, read, cancel. Asynchronous; holds no state of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tenfold.contract.codec import encode, encode_event
from tenfold.contract.events import JobClosed, JobEnded, JobSubmitted
from tenfold.contract.records import ItemResult, ReloadRequest, Submission
from tenfold.contract.states import JobState
from tenfold.store.bounds import Bounds, Room
from tenfold.store.job_reader import JobReader
from tenfold.store.scripts import Argument, call_async, queue_call
from tenfold.store.system_reader import SystemReader
from tenfold.store.upload_store import UploadStep, UploadStore, offsets_and_bytes
from tenfold.store.written import not_durable


@dataclass(frozen=True, slots=True)
class ArrivedPart:
    """Images for an open job that have all arrived, as the upload ``upload_id``; ``count`` of ``bytes`` together."""

    upload_id: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class GatewayStore(UploadStore, JobReader, SystemReader):
    """The gateway's side of the keyspace: what it may change of jobs, beside all that it reads.

    Attributes:
        result_ttl_s: how long a job's keys stay after it is final.
        fsync_within_ms: how long a submission waits for Redis' fsync; 0: not at all. Needs Redis 7.2.
    """

    bounds: Bounds
    result_ttl_s: int
    fsync_within_ms: int = 0

    async def submit(
        self,
        job: Submission,
        rejected: Mapping[int, ItemResult],
        idempotency: tuple[str, str] | None = None,
        whole: UploadStep | None = None,
    ) -> JobState:
        """Accept the job: one atomic step whatever its size. ``rejected`` images already have their error.

        ``idempotency`` is the reserved key and the request's fingerprint; ``whole`` the upload where nothing of it was
        stored before.

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
                k.items(job.job_id),
                *(self.blobs_of(whole) if whole else ()),
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
                *_along(whole),
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
            raise not_durable(f"the disk did not take the job within {self.fsync_within_ms} ms")
        return reply

    async def request_reload(self, request: ReloadRequest) -> None:
        """Ask the workers to load a model anew; the last request counts."""
        await self.client.hset(self.keys.reloads, request.model, encode(request))


def _along(whole: UploadStep | None) -> list[Argument]:
    if whole is None:
        return [""]
    return [len(whole.pieces), *offsets_and_bytes(whole), len(whole.metas), *map(encode, whole.metas)]


def _pairs(rejected: Mapping[int, ItemResult]) -> list[Argument]:
    return [part for index, result in sorted(rejected.items()) for part in (index, encode(result))]
