"""Bodies of requests on their way into an upload, each judged by its kind first: forms, archives, single images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.crud.admission import Admission
from gateway.crud.archives import HEAD_BYTES, Tally, keep_images, kind_of
from gateway.crud.archives import MEDIA_TYPES as ARCHIVE_TYPES
from gateway.crud.arriving import in_time
from gateway.crud.clients import Client
from gateway.crud.fields import FIELD_BYTES_MAX, FILES, Fields, InvalidField
from gateway.crud.multipart import MEDIA_TYPE, PartBegan, PartData, PartEvent, boundary_of, read_parts
from gateway.crud.pulling import Pull
from gateway.crud.spool import Spool
from gateway.crud.tar_reading import count, inflate, read_tar
from gateway.crud.text_forms import TEXT_FORM, read_text_form
from gateway.crud.uploads import Upload, UploadLimits
from gateway.crud.zip_reading import read_zip
from tenfold.contract.errors import TooLarge, UnsupportedMedia

NOTHING: Final = ""
"""Stands for the kind of a body that is not there."""
IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/bmp")


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
class Bodies:
    """Reads bodies, each within its bounds.

    Attributes:
        body_bytes_max: of a whole body, and of what an archive inflates to.
        spool: where archives lie that need seeking.
    """

    admission: Admission
    limits: UploadLimits
    body_bytes_max: int
    spool: Spool

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
            if not await read_text_form(body, fields):
                raise self._unsupported(sent)
        elif media == NOTHING:
            async for _ in body:
                raise self._unsupported(sent)  # something came, and nothing says what it is
        else:
            await self._read_raw(upload, body)

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

    async def _read_raw(self, upload: Upload, body: AsyncIterator[bytes]) -> None:
        upload.begin_image("")
        async for chunk in body:
            await upload.write(chunk)
            if upload.refused and not upload.idempotency:
                # One image and it is refused: what follows need not be read, unless it is to be compared.
                break
        await upload.end_image()

    async def _bounded(self, sent: Sent) -> AsyncIterator[bytes]:
        """The body's chunks, while they come in time and are not too many."""
        seen = 0
        async for chunk in in_time(sent.body):
            seen += len(chunk)
            if seen > self.body_bytes_max:
                raise self._body_too_large()
            if chunk:
                yield chunk

    def _unsupported(self, sent: Sent) -> UnsupportedMedia:
        also = f", or an archive as {', '.join(ARCHIVE_TYPES)}" if sent.archives else ""
        return UnsupportedMedia(
            f"the content type is {sent.media[:64] or 'missing'!r}; allowed: {MEDIA_TYPE} with {FILES!r}, "
            f"or one image as {', '.join(IMAGE_TYPES)}{also}"
        )

    def _body_too_large(self) -> TooLarge:
        return TooLarge(f"the body has more than {self.body_bytes_max} bytes", code="body_too_large")


@dataclass(slots=True)
class _Form:
    """A form on its way in: files to ``upload``, fields to ``fields``, in whatever order they come."""

    bodies: Bodies
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
            await self.bodies.unpack(self.upload, pull, kind)
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
