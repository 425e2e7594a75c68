"""A job's images with their boxes drawn, while the images are kept."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gateway.crud.threads import in_thread
from tenfold.annotate import annotate
from tenfold.contract.errors import Conflict, Gone, InvalidImage, NotFound
from tenfold.contract.records import Detection
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.views import JobView

AT_ONCE: Final = 2
"""Pictures drawn at the same time, at most: each may hold some hundred megabytes of pixels."""


class Drawing:
    """Draws in threads of its own, a few pictures at a time.

    The threads are the bound: one that draws for a client that left is still counted until it is done.
    """

    def __init__(self, store: GatewayStore) -> None:
        self._store = store
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="drawing")

    async def draw(self, view: JobView, index: int) -> bytes:
        """The image as PNG with its boxes.

        Raises:
            NotFound: the job has no such image.
            Conflict: it has no result, or an error of its own.
            Gone: it is no longer kept.
            InvalidImage: it cannot be drawn.
        """
        job_id = view.submission.job_id
        if not 0 <= index < view.total:
            raise NotFound(f"the job has {view.total} images, from 0 on", code="image_not_found")
        (result,) = await self._store.results(job_id, [index])
        if result is None:
            raise Conflict("this image has no result", code="no_result")
        if result.error is not None:
            raise Conflict(f"this image has an error and no boxes: {result.error.message}", code="image_has_error")
        picture = await self.draw_kept(job_id, index, result.detections or [])
        if picture is None:
            raise gone()
        return picture

    async def draw_kept(self, job_id: str, index: int, detections: Sequence[Detection]) -> bytes | None:
        """The image as PNG with these boxes, or None where it is no longer kept. Raises InvalidImage."""
        async with self._turns:
            encoded = await self._store.image(job_id, index)
            if encoded is None:
                return None
            return await in_thread(_draw, encoded, detections, threads=self._threads)


def gone() -> Gone:
    """The problem of images whose time is over."""
    return Gone(
        "the image is no longer kept; TENFOLD_KEEP_IMAGES_S says how long it is, and "
        "TENFOLD_KEPT_BYTES_MAX how many bytes of them",
        code="image_gone",
    )


def _draw(encoded: bytes, detections: Sequence[Detection]) -> bytes:
    out = io.BytesIO()
    try:
        annotate(encoded, detections).save(out, "PNG", compress_level=1)
    except (OSError, ValueError) as error:
        raise InvalidImage(f"the image cannot be drawn: {error}") from None
    return out.getvalue()
