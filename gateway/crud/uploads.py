"""Images on their way from a request's body to the store, in small pieces, each judged by its header as it passes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.crud.admission import Admission
from gateway.crud.clock import StoreClock
from gateway.crud.headers import HEAD_BYTES_MAX, MAGIC_BYTES, Header, check_pixels, read_header
from gateway.crud.pulling import PIECE_BYTES_MAX
from tenfold.contract.errors import RequestError, TooLarge
from tenfold.contract.records import ItemError, ItemMeta, ItemResult
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.upload_store import Queued, UploadStep

FLUSH_S: Final = 5.0
"""A slow upload still shows that it lives this often."""
NAME_CHARS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What an upload may hold: bytes of a file, pixels of an image, images."""

    file_bytes_max: int
    pixels_max: int
    images_max: int


@dataclass(slots=True)
class _Image:
    """The image that arrives now. ``head`` is None once its header is known, or given up to the worker."""

    index: int
    name: str
    size: int = 0
    head: bytearray | None = field(default_factory=bytearray)
    look_again_at: int = MAGIC_BYTES
    header: Header | None = None
    error: RequestError | None = None
    stored: bool = False
    digest: Any = None


@dataclass(slots=True)
class Upload:
    """The images of one job, or of a part of one.

    Calls come in the order begin_image, write…, end_image, for each image; then finish.
    At most a piece and one header's search are in memory, whatever is sent.

    Attributes:
        metas: what is known of each image so far, in index order.
        rejected: index → the error of each image that was refused from its header.
        stored_bytes: size of the images that were not refused.
        idempotency: the key that it reserved or found reserved, as it stands in the store; "" where it has none.
        kept: False where another upload of the same request stands for it: nothing of it is stored.
        digests: with an idempotency key, each file's SHA-256 in index order.
        extends: the open job that they are for; "" where they become a job of their own.
        had: how many images that job had.
    """

    store: GatewayStore
    clock: StoreClock
    limits: UploadLimits
    admission: Admission
    job_id: str
    client: str
    metas: list[ItemMeta] = field(default_factory=list)
    rejected: dict[int, RequestError] = field(default_factory=dict)
    stored_bytes: int = 0
    idempotency: str = ""
    kept: bool = True
    digests: list[str] = field(default_factory=list)
    extends: str = ""
    had: int = 0
    _image: _Image | None = None
    _pieces: list[tuple[int, int, bytearray]] = field(default_factory=list)
    _pending: int = 0
    _begun: bool = False
    _flushed_s: float = field(default_factory=time.monotonic)

    def begin_image(self, name: str) -> None:
        """An image begins; ``name`` is what its sender calls it.

        Raises:
            TooLarge: there are too many (``too_many_images``).
        """
        index = len(self.metas)
        if self.had + index >= self.limits.images_max:
            raise TooLarge(f"a job takes at most {self.limits.images_max} images", code="too_many_images")
        self._image = _Image(index, clean_name(name, index), digest=hashlib.sha256() if self.idempotency else None)

    async def write(self, data: bytes) -> None:
        """The next bytes of the image.

        Raises:
            ClientQueueFull, Unavailable: there is no room; seen when the first piece goes to the store.
        """
        image = self._current
        if image.digest is not None:
            image.digest.update(data)
        if image.size + len(data) > self.limits.file_bytes_max:
            # Said before anything else that is wrong with it: what the rest of it is need not be looked at.
            self._reject(
                image, TooLarge(f"the file has more than {self.limits.file_bytes_max} bytes", code="file_too_large")
            )
        if image.error is None and image.head is not None:
            self._judge(image, image.head, data)
        if image.error is None and self.kept:
            self._keep(image, data)
        image.size += len(data)
        if self.kept and (self._pending >= PIECE_BYTES_MAX or time.monotonic() - self._flushed_s > FLUSH_S):
            await self._flush()

    async def end_image(self) -> None:
        """The image is complete."""
        image = self._current
        if image.error is None and image.head is not None:
            self._read_head(image, complete=image.size <= HEAD_BYTES_MAX)
        if image.error is None:
            self.stored_bytes += image.size
        else:
            self.rejected[image.index] = image.error
            if image.stored:
                await self.store.drop_image(self.job_id, image.index)
        if image.digest is not None:
            self.digests.append(image.digest.hexdigest())
        kind = f"image/{image.header.format}" if image.header else ""
        self.metas.append(ItemMeta(image.name, image.size, kind))
        self._image = None

    def whole(self) -> UploadStep | None:
        """Everything has arrived, and the store knows nothing of it: all of it, to be stored with its submission.

        None where the store knows of it; then :meth:`finish`.
        """
        return None if self._begun else self._step(self.metas)

    async def finish(self) -> None:
        """Everything has arrived: the last pieces and what is known of the images go to the store.

        Raises:
            ClientQueueFull, Unavailable: there is no room.
        """
        await self._flush(self.metas)

    async def alive_while(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``pieces``, which are no image yet; meanwhile the store is told that the upload lives."""
        async for piece in pieces:
            if self.kept and time.monotonic() - self._flushed_s > FLUSH_S:
                await self._flush()
            yield piece

    def rejections(self) -> dict[int, ItemResult]:
        """The refused images as results."""
        return {index: _rejection(index, error) for index, error in self.rejected.items()}

    async def begin(self) -> Queued:
        """Register the upload at once, instead of with its first piece. Returns what is queued."""
        queued = await self.store.begin_upload(self.job_id, self.client, await self.clock.now_ms(), self.extends)
        self._begun = True
        return queued

    @property
    def begun(self) -> bool:
        """Whether the store knows anything of it."""
        return self._begun

    @property
    def refused(self) -> bool:
        """Whether the image that arrives now is refused already."""
        return self._current.error is not None

    @property
    def _current(self) -> _Image:
        assert self._image is not None, "begin_image comes first"
        return self._image

    def _judge(self, image: _Image, head: bytearray, data: bytes) -> None:
        head += data
        # Looked at again only when it has doubled, so that bytes one at a time cost their sender more than us.
        if len(head) >= image.look_again_at:
            image.look_again_at = 2 * len(head)
            self._read_head(image, complete=False)
        self._give_up_head(image)

    def _give_up_head(self, image: _Image) -> None:
        if image.head is not None and len(image.head) >= HEAD_BYTES_MAX:
            image.head = None

    def _read_head(self, image: _Image, *, complete: bool) -> None:
        assert image.head is not None
        try:
            image.header = read_header(bytes(image.head), complete=complete)
        except RequestError as error:
            self._reject(image, error)
            return
        if image.header is None:
            return
        image.head = None
        too_many = check_pixels(image.header, self.limits.pixels_max)
        if too_many is not None:
            self._reject(image, too_many)

    def _reject(self, image: _Image, error: RequestError) -> None:
        image.error, image.head = error, None
        self._pieces = [piece for piece in self._pieces if piece[0] != image.index]
        self._pending = sum(len(piece[2]) for piece in self._pieces)

    def _keep(self, image: _Image, data: bytes) -> None:
        if self._pieces and self._pieces[-1][0] == image.index:
            self._pieces[-1][2].extend(data)
        else:
            self._pieces.append((image.index, image.size, bytearray(data)))
        self._pending += len(data)

    def _step(self, metas: Sequence[ItemMeta]) -> UploadStep:
        pieces = [
            (index, offset + start, bytes(data[start : start + PIECE_BYTES_MAX]))
            for index, offset, data in self._pieces
            for start in range(0, len(data), PIECE_BYTES_MAX)
        ]
        images = len(self.metas) + (self._image is not None)
        return UploadStep(self.job_id, self.client, not self._begun, images, pieces, metas, self.extends)

    async def _flush(self, metas: Sequence[ItemMeta] = ()) -> None:
        step = self._step(metas)
        if self._image is not None and any(index == self._image.index for index, _, _ in step.pieces):
            self._image.stored = True
        queued = await self.store.write_upload(step, await self.clock.now_ms())
        self._pieces, self._pending, self._flushed_s = [], 0, time.monotonic()
        if not self._begun:
            self._begun = True
            await self.admission.check(queued)


def _rejection(index: int, error: RequestError) -> ItemResult:
    # Width and height stay unknown: they count after the EXIF orientation, and nobody looks for that now.
    return ItemResult(index, None, None, None, ItemError(error.code, str(error)), attempts=0)


def clean_name(name: str, index: int) -> str:
    """``name`` without control characters and of bounded length; it is shown and written, never used as a path."""
    printable = "".join(char for char in name if char.isprintable())[-NAME_CHARS_MAX:].strip()
    return printable or f"image-{index}"
