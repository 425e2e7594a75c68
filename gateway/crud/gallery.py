"""All of a job's images with their boxes drawn, as one zip that is drawn while it is sent."""

from __future__ import annotations

import asyncio
import zipfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from gateway.crud.drawing import AT_ONCE, Drawing, gone
from gateway.crud.results import ImageBody, indexes_of, read_some
from gateway.crud.zip_sending import Outbox, add_entry, safe_stem
from tenfold.contract.errors import Conflict, InvalidImage
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.views import JobView

MISSING_NAME: Final = "missing.txt"
LOOKED_FOR_AT_ONCE: Final = 1000
NOT_KEPT: Final = "no longer kept (TENFOLD_KEEP_IMAGES_S, TENFOLD_KEPT_BYTES_MAX)"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Draws a job's images, the next few ahead of the one that is sent, and never holds more than these."""

    store: GatewayStore
    drawing: Drawing

    async def open(self, view: JobView) -> AsyncGenerator[bytes]:
        """The zip's bytes: ``INDEX-NAME.png`` an image, in order; ``missing.txt`` names the others and why.

        Raises, before the first byte:
            Conflict: no image has a result yet, or each has an error (``no_result``).
            Gone: none is kept any longer, or the results are dropped.
        """
        there = await indexes_of(self.store, view)
        if view.done == 0:
            raise Conflict("no image of this job has a result, so there are no boxes to draw", code="no_result")
        for start in range(0, len(there), LOOKED_FOR_AT_ONCE):
            if await self.store.kept(view.submission.job_id, there[start : start + LOOKED_FOR_AT_ONCE]):
                return self._write(view, there)
        raise gone()

    async def _write(self, view: JobView, there: list[int]) -> AsyncGenerator[bytes]:
        outbox = Outbox()
        lacking: list[str] = []
        # PNGs are packed already.
        with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
            drawn = self._drawn(view.submission.job_id, read_some(self.store, view, there))
            try:
                async for image, picture in drawn:
                    if isinstance(picture, str):
                        lacking.append(_line(image.index, image.name, picture))
                        continue
                    await add_entry(archive, _entry_name(image), picture)
                    for piece in outbox.pieces():
                        yield piece
            finally:
                await drawn.aclose()
            lacking += [_line(index, "", "no result") for index in sorted(set(range(view.total)) - set(there))]
            if lacking:
                archive.writestr(MISSING_NAME, "".join(lacking))
        for piece in outbox.pieces():
            yield piece

    async def _drawn(
        self, job_id: str, images: AsyncIterator[ImageBody]
    ) -> AsyncGenerator[tuple[ImageBody, bytes | str]]:
        """Each image with its picture, or why there is none, in order."""
        underway: deque[tuple[ImageBody, asyncio.Task[bytes | str]]] = deque()
        try:
            async for image in images:
                underway.append((image, asyncio.create_task(self._picture(job_id, image))))
                if len(underway) > AT_ONCE:
                    first, task = underway.popleft()
                    yield first, await task
            while underway:
                first, task = underway.popleft()
                yield first, await task
        finally:
            tasks = [task for _, task in underway]
            for task in tasks:
                task.cancel()
            # Nobody else asks for what became of them: asyncio would log each that had failed as a fault of its own.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _picture(self, job_id: str, image: ImageBody) -> bytes | str:
        if image.error is not None:
            return f"{image.error.code}: {image.error.message}"
        try:
            picture = await self.drawing.draw_kept(job_id, image.index, image.detections or [])
        except InvalidImage as error:
            return str(error)
        return NOT_KEPT if picture is None else picture


def _entry_name(image: ImageBody) -> str:
    stem = safe_stem(image.name)
    return f"{image.index:05d}-{stem}.png" if stem else f"{image.index:05d}.png"


def _line(index: int, name: str, why: str) -> str:
    """A line of three columns between tabs; whatever a name holds, it stays one."""
    return "\t".join((str(index), " ".join(name.split()), " ".join(why.split()))) + "\n"
