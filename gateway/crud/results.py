"""What became of a job's images, in index order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from tenfold.contract.errors import Gone
from tenfold.contract.records import BatchInfo, Detection, ItemError, ItemMeta, ItemResult, Timing
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.views import JobView

PAGE_MAX: Final = 1000
PAGE: Final = 100
CHUNK: Final = 100
"""Results read from the store at once."""


class ImageBody(msgspec.Struct, frozen=True):
    """One image's result on the wire: either ``detections`` or ``error`` is null."""

    index: int
    name: str
    width: int | None
    height: int | None
    error: ItemError | None
    attempts: int
    detections: list[Detection] | None
    timing: Timing | None
    batch: BatchInfo | None


class ResultPage(msgspec.Struct, frozen=True):
    """Results in index order; ``next_cursor`` is null on the last page of what there is so far."""

    results: list[ImageBody]
    next_cursor: str | None


def image_body(result: ItemResult, meta: ItemMeta | None) -> ImageBody:
    """A result on the wire, with the name that its sender gave the image."""
    return ImageBody(
        result.index,
        meta.name if meta else "",
        result.width,
        result.height,
        result.error,
        result.attempts,
        result.detections,
        result.timing,
        result.batch,
    )


async def page(store: GatewayStore, view: JobView, start: int, limit: int) -> ResultPage:
    """Up to ``limit`` results so far, of images from ``start`` on.

    Raises:
        Gone: the job's results were dropped early to bound memory.
    """
    there = await indexes_of(store, view)
    first = bisect_left(there, start)
    wanted = there[first : first + limit]
    results = [image async for image in read_some(store, view, wanted)]
    more = first + limit < len(there)
    return ResultPage(results, str(wanted[-1] + 1) if more else None)


async def every(store: GatewayStore, view: JobView) -> AsyncIterator[ImageBody]:
    """All results so far, in index order, read from the store as they are taken. Raises as :func:`page` does."""
    return read_some(store, view, await indexes_of(store, view))


async def rest_of(
    store: GatewayStore, job_id: str, metas: Sequence[ItemMeta], first: Sequence[ImageBody]
) -> list[ImageBody]:
    """All results that there are of a job whose images' names are at hand; ``first`` are those of the first chunk."""
    found = list(first)
    for start in range(CHUNK, len(metas), CHUNK):
        found += named(await store.results(job_id, range(start, min(start + CHUNK, len(metas)))), metas)
    return found


def named(results: Sequence[ItemResult | None], metas: Sequence[ItemMeta]) -> list[ImageBody]:
    """Those that there are of ``results``, on the wire; ``metas`` are those of all the job's images."""
    return [image_body(result, metas[result.index]) for result in results if result is not None]


async def some(store: GatewayStore, job_id: str, indexes: Sequence[int]) -> list[ImageBody]:
    """The results of these images, in this order, without those that have none (any more)."""
    if not indexes:
        return []
    least = min(indexes)
    metas = await store.images(job_id, least, max(indexes) - least + 1)
    results = await store.results(job_id, indexes)
    return [
        image_body(result, metas[result.index - least] if result.index - least < len(metas) else None)
        for result in results
        if result is not None
    ]


async def indexes_of(store: GatewayStore, view: JobView) -> list[int]:
    """The images that have a result or an error of their own so far, in order. Raises as :func:`page` does."""
    if view.results_gone:
        raise Gone(
            "the results were dropped to keep within TENFOLD_RESULT_BYTES_MAX; fetch them sooner or raise it",
            code="results_gone",
        )
    if view.done + view.failed == view.total:
        return list(range(view.total))
    return sorted(await store.committed(view.submission.job_id, 0, view.total))


async def read_some(store: GatewayStore, view: JobView, indexes: Sequence[int]) -> AsyncIterator[ImageBody]:
    """The results of these images, in this order, read from the store as they are taken."""
    for start in range(0, len(indexes), CHUNK):
        for image in await some(store, view.submission.job_id, indexes[start : start + CHUNK]):
            yield image
