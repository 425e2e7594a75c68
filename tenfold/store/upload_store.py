"""Uploads on their way in: images first, a submission later; what reserves a place for them and what limits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenfold.contract.codec import encode
from tenfold.contract.records import ItemMeta
from tenfold.store.bounds import UPLOAD_LIFETIME_MS, upload_expired
from tenfold.store.keyspace import AsyncKeyspace
from tenfold.store.scripts import Argument, call_async

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


def offsets_and_bytes(step: UploadStep) -> list[Argument]:
    """Its pieces as verbs take them."""
    return [word for _, offset, piece in step.pieces for word in (offset, piece)]


class UploadStore(AsyncKeyspace):
    """What the gateway does before a job exists."""

    __slots__ = ()

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
        reply = await call_async(
            self.client,
            "write_upload",
            [k.upload(step.job_id), k.uploads, k.items(step.job_id), k.queued, k.open_jobs, *self.blobs_of(step)],
            [
                step.job_id,
                step.client,
                "1" if step.first else "",
                step.images,
                int(now_ms + UPLOAD_LIFETIME_MS),
                step.extends,
                int(now_ms),
                len(step.pieces),
                *offsets_and_bytes(step),
                *map(encode, step.metas),
            ],
        )
        if reply is None:
            raise upload_expired()
        return _read_queued(reply)

    def blobs_of(self, step: UploadStep) -> list[str]:
        """The key of each piece's image."""
        return [self.keys.blob(step.job_id, index) for index, _, _ in step.pieces]

    async def drop_image(self, job_id: str, index: int) -> None:
        """Forget an image that was refused."""
        await self.client.unlink(self.keys.blob(job_id, index))

    async def abandon_upload(self, job_id: str) -> None:
        """Forget an upload; the scheduler sweeps what it left. One that became a job meanwhile stays as it is."""
        await self.client.zadd(self.keys.uploads, {job_id: 0}, xx=True)

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


def _queued_fields(client: str) -> list[str]:
    return ["items", "bytes", f"items:{client}", f"bytes:{client}"]


def _read_queued(values: Sequence[bytes | None]) -> Queued:
    return Queued(*[int(value or 0) for value in values])
