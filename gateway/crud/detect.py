"""Waiting for a job's results, and what one image's outcome means for its request."""

from __future__ import annotations

import time
from typing import Final

from gateway.crud.changes import Changes, Watcher
from gateway.crud.intake import Arrival
from gateway.crud.results import CHUNK, ImageBody, named
from tenfold.contract.errors import (
    Conflict,
    InvalidImage,
    NotFound,
    RequestError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from tenfold.contract.records import ItemError
from tenfold.contract.states import FINAL_JOB_STATES, JobState
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.views import JobView


class ImageFailed(RequestError):
    """The service could not compute an image, through no fault of the image that is known."""

    code = "image_failed"


class DeadlinePassed(RequestError):
    """The client's own deadline passed before its image was run."""

    code = "deadline_passed"


async def until_final(
    store: GatewayStore, changes: Changes, watcher: Watcher, arrival: Arrival, wait_s: float
) -> tuple[JobView, list[ImageBody]]:
    """The job, just submitted, once it is final, or as it stands when ``wait_s`` is over or the process stops.

    With it come the results of its first images, up to a chunk of them.

    Raises:
        NotFound: it is gone already.
    """
    indexes = range(min(CHUNK, len(arrival.metas)))
    # A job just submitted is waited for before it is looked at, since the watcher was there before it.
    look_first = bool(arrival.twin)
    end_s = time.monotonic() + wait_s
    while True:
        left_s = end_s - time.monotonic()
        if left_s > 0 and not changes.closing and not look_first:
            await watcher.wait(left_s)
        look_first = False
        view, results = await store.outcome(arrival.job_id, indexes)
        if view is None:
            raise NotFound("the job is gone", code="job_not_found")
        if view.state in FINAL_JOB_STATES or time.monotonic() >= end_s or changes.closing:
            return view, named(results, arrival.metas)


_AT_FAULT: Final[dict[str, type[RequestError]]] = {
    "empty_image": InvalidImage,
    "invalid_image": InvalidImage,
    "truncated_image": InvalidImage,
    "too_many_pixels": InvalidImage,
    "unsupported_image_format": UnsupportedMedia,
    "file_too_large": TooLarge,
}


def image_error(error: ItemError) -> RequestError:
    """An image's error as its request's: a fault of the image where its code says so, else of the service."""
    return _AT_FAULT.get(error.code, ImageFailed)(error.message, code=error.code)


def sole_error(view: JobView, results: list[ImageBody]) -> RequestError | None:
    """Why the only image of a final job has no detections, or None where it has."""
    if results:
        return None if results[0].error is None else image_error(results[0].error)
    if view.state is JobState.EXPIRED:
        return DeadlinePassed("the deadline passed before the image was run")
    if view.state is JobState.CANCELED:
        return Conflict("the job was canceled before the image was run", code="canceled")
    return Unavailable("the result was dropped before it could be read", code="result_gone", retry_after_s=1)
