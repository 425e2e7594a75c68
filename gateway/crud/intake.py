"""From a request's body to a job in the store: checks, uploads, and one atomic submission."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from redis.exceptions import RedisError

from gateway.crud.admission import Admission
from gateway.crud.archives import HEAD_BYTES, Tally, keep_images, kind_of
from gateway.crud.archives import MEDIA_TYPES as ARCHIVE_TYPES
from gateway.crud.catalog import Catalog
from gateway.crud.clients import Client
from gateway.crud.clock import StoreClock
from gateway.crud.deadlines import check_deadline
from gateway.crud.fields import FIELD_BYTES_MAX, FILES, Fields, InvalidField, Wishes
from gateway.crud.idempotency import fingerprint, key_digest, twin_of
from gateway.crud.multipart import MEDIA_TYPE, PartBegan, PartData, PartEvent, boundary_of, read_parts
from gateway.crud.pulling import Pull
from gateway.crud.quotas import Quota, Quotas
from gateway.crud.spool import Spool
from gateway.crud.tar_reading import count, inflate, read_tar
from gateway.crud.text_forms import TEXT_FORM, read_text_form
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.crud.uploads import Upload, UploadLimits
from gateway.crud.zip_reading import read_zip
from tenfold.contract.errors import Forbidden, InvalidRequest, RequestError, TooLarge, UnsupportedMedia
from tenfold.contract.records import POOL, ItemMeta, Priority, Submission
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.upload_store import Reservation

T = TypeVar("T")

NOTHING: Final = ""
"""Stands for the kind of a body that is not there."""
IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/bmp")
STALL_S: Final = 30.0
"""A body that sends nothing for so long is given up; well within the lifetime of an upload."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it comes in.

    Attributes:
        length: what ``Content-Length`` says, or None.
        query: the query's pairs, in order.
        route: what the request is for; an idempotency key counts for one route.
        idempotency_key: the header's value, or None.
        archives: whether an archive may stand for its images.
        may_open: whether it may ask for a job that stays open.
    """

    client: Client
    content_type: str
    length: int | None
    query: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes]
    route: str = ""
    idempotency_key: str | None = None
    archives: bool = False
    may_open: bool = False

    @property
    def media(self) -> str:
        """What its content type says, without parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def bodiless(self) -> bool:
        """Whether it seems to have no body at all; without a length and a type, what comes tells."""
        return self.length == 0 or (self.length is None and not self.content_type)


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
    limits: UploadLimits
    quotas: Quotas
    body_bytes_max: int
    spool: Spool
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
        media = self.media_type(sent)
        if sent.idempotency_key is None:  # otherwise it may be a request that was taken before
            await self.quotas.check(sent.client)
        await self.catalog.check(fields.wishes())
        upload = self.upload(sent)
        try:
            held = await self.reserve(upload, sent)
            await self.read(sent, media, upload, fields)
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
            self.limits,
            self.admission,
            new_job_id(),
            sent.client.id,
            extends=extends,
            had=had,
        )

    async def read(self, sent: Sent, media: str, upload: Upload, fields: Fields) -> None:
        """Read the whole body, of the kind ``media``, into ``upload`` and ``fields``. Raises RequestError."""
        body = self._bounded(sent)
        if media == MEDIA_TYPE:
            form = _Form(self, upload, fields, read_parts(body, boundary_of(sent.content_type)), sent.archives)
            await form.read()
        elif media in ARCHIVE_TYPES:
            pull = Pull(body)
            await self.unpack(upload, pull, kind_of(await pull.peek(HEAD_BYTES)) or "tar")
        elif media == TEXT_FORM:
            await read_text_form(body, fields)
        elif media == NOTHING:
            async for _ in body:
                raise self._unsupported(sent)  # something came, and nothing says what it is
        else:
            await self._read_raw(upload, body)

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
                _, quota = await self.accept(
                    arrival.client, upload, lambda: self.store.submit(job, upload.rejections(), idempotency)
                )
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
        """Finish ``upload`` and let the store take it in by ``taken``; what that says, and what is left to ``client``.

        Raises:
            QuotaExceeded, ClientQueueFull, Unavailable: a bound is reached.
        """
        await upload.finish()
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

    async def unpack(self, upload: Upload, pull: Pull, kind: str) -> None:
        """Take the images of an archive of this kind.

        Raises:
            RequestError: it is damaged, too large, or holds what is not taken; or there is no room for it.
        """
        if not upload.begun:
            await self.admission.check(await upload.begin())
        tally = Tally(self.limits.images_max, self.body_bytes_max)
        if kind == "zip":
            async with self.spool.holding(Pull(upload.alive_while(pull.pieces()))) as (file, tally.packed):
                await keep_images(upload, read_zip(file, tally))
        elif kind == "gzip":
            await keep_images(upload, read_tar(Pull(count(inflate(pull, tally), tally, packed=False)), tally))
        else:
            await keep_images(upload, read_tar(Pull(count(pull.pieces(), tally, packed=True)), tally))

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

    def media_type(self, sent: Sent) -> str:
        """What kind of body ``sent`` has; :data:`NOTHING` where it has none.

        Raises:
            UnsupportedMedia: one that is not taken.
            TooLarge: it says that it is too long.
        """
        media = sent.media
        archives = ARCHIVE_TYPES if sent.archives else ()
        # Nothing at all is a job without a file, whatever a client's library calls it; an image of no bytes is bad.
        if sent.bodiless and media not in IMAGE_TYPES and media not in archives:
            return NOTHING
        if media not in {MEDIA_TYPE, TEXT_FORM, *IMAGE_TYPES, *archives}:
            raise self._unsupported(sent)
        if sent.length is not None and media in IMAGE_TYPES and sent.length > self.limits.file_bytes_max:
            raise TooLarge(f"the file has more than {self.limits.file_bytes_max} bytes", code="file_too_large")
        if sent.length is not None and sent.length > self.body_bytes_max:
            raise self._body_too_large()
        return media

    def _unsupported(self, sent: Sent) -> UnsupportedMedia:
        also = f", or an archive as {', '.join(ARCHIVE_TYPES)}" if sent.archives else ""
        return UnsupportedMedia(
            f"the content type is {sent.media[:64] or 'missing'!r}; allowed: {MEDIA_TYPE} with {FILES!r}, "
            f"or one image as {', '.join(IMAGE_TYPES)}{also}"
        )

    def _body_too_large(self) -> TooLarge:
        return TooLarge(f"the body has more than {self.body_bytes_max} bytes", code="body_too_large")

    async def _bounded(self, sent: Sent) -> AsyncIterator[bytes]:
        """The body's chunks, while they come in time and are not too many."""
        seen = 0
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    chunk = await anext(sent.body, None)
            except TimeoutError:
                raise InvalidRequest(f"the body sent nothing for {STALL_S:.0f} s", code="upload_stalled") from None
            if chunk is None:
                return
            seen += len(chunk)
            if seen > self.body_bytes_max:
                raise self._body_too_large()
            if chunk:
                yield chunk

    async def _read_raw(self, upload: Upload, body: AsyncIterator[bytes]) -> None:
        upload.begin_image("")
        async for chunk in body:
            await upload.write(chunk)
            if upload.refused and not upload.idempotency:
                # One image and it is refused: what follows need not be read, unless it is to be compared.
                break
        await upload.end_image()

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


@dataclass(slots=True)
class _Form:
    """A form on its way in: files to ``upload``, fields to ``fields``, in whatever order they come."""

    intake: Intake
    upload: Upload
    fields: Fields
    parts: AsyncIterator[PartEvent]
    archives: bool
    _unpacked: bool = False

    async def read(self) -> None:
        async for part in self.parts:
            assert isinstance(part, PartBegan)
            if part.name == FILES:
                await self._read_file(part)
            else:
                self.fields.check_name(part.name)
                self.fields.add(part.name, await _read_text(part.name, self.parts))

    async def _read_file(self, began: PartBegan) -> None:
        pull = Pull(_data_of(self.parts))
        head = await pull.peek(HEAD_BYTES if self.archives else 1)
        # A form's empty file input comes as a part without a file's name and bytes; with bytes it is an image.
        if not head and not began.filename:
            return
        kind = kind_of(head) if self.archives else ""
        if self._unpacked or (kind and self.upload.metas):
            raise InvalidField(FILES, "an archive comes alone, without other files", code="archive_not_alone")
        if kind:
            self._unpacked = True
            await self.intake.unpack(self.upload, pull, kind)
            return
        self.upload.begin_image(began.filename or "")
        async for piece in pull.pieces():
            await self.upload.write(piece)
        await self.upload.end_image()


async def _data_of(parts: AsyncIterator[PartEvent]) -> AsyncIterator[bytes]:
    """The bytes of the part that began last, to its end."""
    async for part in parts:
        if not isinstance(part, PartData):
            return
        yield part.data


async def _read_text(name: str, parts: AsyncIterator[PartEvent]) -> str:
    text = bytearray()
    async for part in parts:
        if not isinstance(part, PartData):
            break
        text += part.data
        if len(text) > FIELD_BYTES_MAX:
            raise InvalidField(name, f"{name} has more than {FIELD_BYTES_MAX} bytes")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise InvalidField(name, f"{name} is no UTF-8 text") from None


def new_job_id() -> str:
    """32 hexadecimal digits that sort by time, as a UUID of version 7 does."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
