"""From a request's body to a job in the store: checks, uploads, and one atomic submission."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from redis.exceptions import RedisError

from gateway.crud.admission import Admission
from gateway.crud.bodies import Bodies, Sent
from gateway.crud.catalog import Catalog
from gateway.crud.clients import Client
from gateway.crud.clock import StoreClock
from gateway.crud.deadlines import check_deadline
from gateway.crud.fields import FILES, Fields, InvalidField, Wishes
from gateway.crud.idempotency import fingerprint, key_digest, twin_of
from gateway.crud.quotas import Quota, Quotas
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.crud.uploads import Upload
from tenfold.contract.errors import Forbidden, RequestError
from tenfold.contract.records import POOL, ItemMeta, Priority, Submission
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.upload_store import Reservation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job whose images have all arrived, before it is submitted.

    Attributes:
        client: who sent it.
        fingerprint: with an idempotency key, what was asked for, in short.
        twin: the job that an equal request made before; then this one is not submitted. "" where there is none.
    """

    submission: Submission
    upload: Upload
    client: Client
    fingerprint: str = ""
    twin: str = ""

    @property
    def job_id(self) -> str:
        """The job that answers the request."""
        return self.twin or self.submission.job_id

    @property
    def metas(self) -> Sequence[ItemMeta]:
        """What is known of each image, in index order."""
        return self.upload.metas

    @property
    def sole_refusal(self) -> RequestError | None:
        """Why the only image was refused, or None where there are several or it was not."""
        return self.upload.rejected.get(0) if len(self.metas) == 1 else None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes jobs in."""

    store: GatewayStore
    clock: StoreClock
    catalog: Catalog
    admission: Admission
    bodies: Bodies
    quotas: Quotas
    allotments: tuple[int, ...]
    tracing: Tracing = UNTRACED

    async def receive(self, sent: Sent) -> Arrival:
        """Read the whole request; nothing is queued yet.

        Raises:
            RequestError: it is refused, with nothing left behind.
        """
        with self.tracing.part("receive images"):
            return await self._receive(sent)

    async def _receive(self, sent: Sent) -> Arrival:
        fields = Fields(may_open=sent.may_open)
        for name, text in sent.query:
            fields.add(name, text)
        media = self.bodies.media_type(sent)
        if sent.idempotency_key is None:  # otherwise it may be a request that was taken before
            await self.quotas.check(sent.client)
        await self.catalog.check(fields.wishes())
        upload = self.upload(sent)
        try:
            held = await self.reserve(upload, sent)
            await self.bodies.read(sent, media, upload, fields)
            arrival = await self._arrive(upload, fields.wishes(), sent.client)
            own, twin = await self.compare(upload, fields.wishes(), held)
            return replace(arrival, fingerprint=own, twin=twin)
        except BaseException:
            await self.abandon(upload)
            raise

    def upload(self, sent: Sent, *, extends: str = "", had: int = 0) -> Upload:
        """A new upload for the images of ``sent``; with ``extends`` for that open job, which ``had`` so many so far."""
        return Upload(
            self.store,
            self.clock,
            self.bodies.limits,
            self.admission,
            new_job_id(),
            sent.client.id,
            extends=extends,
            had=had,
        )

    async def submit(self, arrival: Arrival) -> Quota | None:
        """Accept the job; what is left to its client, where it has a limit.

        Raises:
            QuotaExceeded, ClientQueueFull, Unavailable: a bound is reached, with nothing left behind.
        """
        try:
            job, upload = arrival.submission, arrival.upload
            await self.check_deadline(job)
            idempotency = (upload.idempotency, arrival.fingerprint) if arrival.fingerprint else None
            with self.tracing.part("submit job"):
                whole = upload.whole()
                if whole is None:
                    await upload.finish()
                taken = partial(self.store.submit, job, upload.rejections(), idempotency, whole)
                _, quota = await self.accept(arrival.client, upload, taken)
        except BaseException as error:
            await self.refused(upload, error)
            raise
        return quota

    async def refused(self, upload: Upload, error: BaseException) -> None:
        """``error`` kept ``upload`` from being accepted: forget it. Changes nothing where only the answer was lost."""
        await self.abandon(upload)
        if isinstance(error, RequestError):
            await self.admission.with_retry(error)

    async def accept(self, client: Client, upload: Upload, taken: Callable[[], Awaitable[T]]) -> tuple[T, Quota | None]:
        """Let the store take ``upload`` in by ``taken``; what that says, and what is left to ``client``.

        Raises:
            QuotaExceeded, ClientQueueFull, Unavailable: a bound is reached.
        """
        images = len(upload.metas)
        quota = await self.quotas.take(client, images)
        try:
            return await taken(), quota
        except RequestError as refusal:
            if refusal.code != "not_durable":  # that job may be accepted all the same
                await self.quotas.give_back(client, images)
            raise

    async def check_deadline(self, job: Submission) -> None:
        """Raise Unavailable where a job like ``job`` cannot end before its deadline."""
        if job.deadline_ms is not None:
            lanes = await self.catalog.lanes(job.model)
            check_deadline(job, await self.store.status(), self.allotments, lanes)

    async def abandon(self, upload: Upload) -> None:
        """Forget what arrived; where Redis is gone, it is swept later."""
        if upload.begun:
            with contextlib.suppress(RedisError, OSError):
                await self.store.abandon_upload(upload.job_id)
                if upload.idempotency:
                    await self.store.release(upload.idempotency, upload.job_id)

    async def reserve(self, upload: Upload, sent: Sent) -> Reservation | None:
        """Reserve the request's idempotency key; who holds it already, or None."""
        if sent.idempotency_key is None:
            return None
        digest = key_digest(sent.route, sent.idempotency_key)
        upload.idempotency = self.store.keys.idempotency(sent.client.id, digest)
        queued = await upload.begin()
        held = await self.store.reserve(upload.idempotency, upload.job_id)
        upload.kept = held is None
        if held is None:
            await self.admission.check(queued)
        return held

    async def compare(self, upload: Upload, wishes: Wishes, held: Reservation | None) -> tuple[str, str]:
        """The request's fingerprint, and the upload of an equal one that came before; "" each where there is none."""
        if not upload.idempotency:
            return "", ""
        own = fingerprint(wishes, upload.digests)
        if held is None:
            return own, ""
        twin = await twin_of(self.store, upload.idempotency, upload.job_id, held, own)
        await self.abandon(upload)
        return own, twin

    async def _arrive(self, upload: Upload, wishes: Wishes, client: Client) -> Arrival:
        if not wishes.open:
            require_images(upload)
        if wishes.priority is Priority.HIGH and not client.high:
            raise Forbidden("this key may not ask for priority=high", code="priority_not_allowed")
        model, size = await self.catalog.choose(wishes)
        now_ms = await self.clock.now_ms()
        submission = Submission(
            job_id=upload.job_id,
            client=client.id,
            model=model.name,
            size=size,
            pool=POOL,
            lane=model.lane(size),
            count=len(upload.metas),
            bytes=upload.stored_bytes,
            submitted_ms=now_ms,
            priority=wishes.priority,
            deadline_ms=None if wishes.deadline_ms is None else now_ms + wishes.deadline_ms,
            options=wishes.options,
            open=wishes.open,
            traceparent=self.tracing.traceparent(),
        )
        return Arrival(submission, upload, client)


def require_images(upload: Upload) -> None:
    """Raise InvalidField (``no_images``) where nothing came."""
    if not upload.metas:
        raise InvalidField(FILES, f"there is no image; send one or more as {FILES!r}", code="no_images")


def new_job_id() -> str:
    """32 hexadecimal digits that sort by time, as a UUID of version 7 does."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
