"""Jobs as clients see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from gateway.crud.clients import Client
from gateway.crud.cursors import read_place, write_place
from tenfold.contract.errors import NotFound
from tenfold.contract.records import ItemError
from tenfold.contract.states import FINAL_JOB_STATES, JobState
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.views import JobView
from tenfold.store.written import not_durable, until_written


class ImageCounts(msgspec.Struct, frozen=True):
    """How many images a job has, and what became of them so far."""

    total: int
    done: int
    failed: int


class Links(msgspec.Struct, frozen=True, rename={"self_": "self"}):
    """Where to go on from a job: paths on this server."""

    self_: str
    results: str
    events: str
    trace: str


class JobBody(msgspec.Struct, frozen=True):
    """A job on the wire. Times are ISO 8601 in UTC; what is not known (any more) is null."""

    id: str
    state: JobState
    open: bool
    model: str
    priority: str
    level: int | None
    images: ImageCounts
    position: int | None
    eta_ms: float | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: ItemError | None
    links: Links


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first; ``next_cursor`` is null on the last page."""

    jobs: list[JobBody]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Jobs:
    """Reads, closes and cancels jobs.

    Attributes:
        root: what this server's paths begin with ("" unless a proxy mounts it elsewhere).
    """

    store: GatewayStore
    root: str = ""

    async def find(self, job_id: str, client: Client) -> JobView:
        """The job as it stands.

        Raises:
            NotFound: there is none, or it is another key's.
        """
        view = await self.store.job(job_id) if is_job_id(job_id) else None
        if view is None or not client.owns(view.submission.client):
            raise NotFound(f"there is no job {job_id[:64]!r}; it may have passed its lifetime", code="job_not_found")
        return view

    async def body(self, view: JobView) -> JobBody:
        """The job on the wire."""
        (body,) = await self._bodies([view])
        return body

    async def page(self, client: Client, state: JobState | None, limit: int, cursor: str | None) -> JobPage:
        """Jobs that ``client`` may see, newest first.

        Raises:
            InvalidField: the cursor is none of ours.
        """
        owner = None if client.sees_all else client.id
        views, place = await self.store.jobs_page(owner, state=state, before=read_place(cursor), limit=limit)
        return JobPage(await self._bodies(views), write_place(place))

    async def promised(self, job_id: str, client: Client, holds: Callable[[JobView], bool] = lambda _: True) -> JobView:
        """The job as it stands, once a crash of Redis alone cannot take back what was done to it.

        ``holds`` tells by the job whether that is so still.

        Raises:
            Unavailable: Redis crashed meanwhile and has forgotten it (``not_durable``), or its disk is too slow.
        """
        await until_written(self.store.client)
        # Read back after the wait: a Redis that was started again knows only what its file held.
        try:
            view = await self.find(job_id, client)
        except NotFound:
            view = None
        if view is None or not holds(view):
            raise not_durable("Redis crashed before its file held this; send it again")
        return view

    async def cancel(self, job_id: str, client: Client) -> JobView:
        """Cancel the job; a final state stays as it is. Raises NotFound, and Unavailable as :meth:`promised` does."""
        await self.find(job_id, client)
        await self.store.end_job(job_id, JobState.CANCELED)
        return await self.promised(job_id, client, lambda job: job.state in FINAL_JOB_STATES)

    async def close(self, job_id: str, client: Client) -> JobView:
        """No more images follow; one that is closed already stays as it is.

        Raises:
            NotFound: there is none, or it is another key's.
            Unavailable: as :meth:`promised`.
        """
        await self.find(job_id, client)
        await self.store.close(job_id)
        return await self.promised(job_id, client, lambda job: not job.open)

    async def _bodies(self, views: Sequence[JobView]) -> list[JobBody]:
        active = [view.submission.job_id for view in views if view.state not in FINAL_JOB_STATES]
        standings = await self.store.standings(active)
        return [describe(view, standings.get(view.submission.job_id), self.root) for view in views]


def describe(view: JobView, standing: tuple[int, float | None] | None, root: str) -> JobBody:
    """A job on the wire, from what the store and the scheduler know of it."""
    job = view.submission
    at = f"{root}/v1/jobs/{job.job_id}"
    return JobBody(
        job.job_id,
        view.state,
        view.open,
        job.model,
        job.priority,
        view.level,
        ImageCounts(view.total, view.done, view.failed),
        standing[0] if standing else None,
        round(standing[1], 1) if standing and standing[1] is not None else None,
        iso(job.submitted_ms),
        None if view.started_ms is None else iso(view.started_ms),
        None if view.finished_ms is None else iso(view.finished_ms),
        job_error(view),
        Links(at, f"{at}/results", f"{at}/events", f"{at}/trace"),
    )


def job_error(view: JobView) -> ItemError | None:
    """Why the job as a whole did not succeed, or None."""
    missing = view.total - view.done - view.failed
    if view.state is JobState.FAILED and not view.total:
        return ItemError("no_images", "it was closed before any image was added")
    if view.state is JobState.FAILED:
        return ItemError("all_images_failed", f"none of the {view.total} images has a result; each says why")
    if view.state is JobState.EXPIRED:
        return ItemError("deadline_passed", f"the deadline passed while {missing} of {view.total} images waited")
    if view.state is JobState.CANCELED:
        return ItemError("canceled", f"it was canceled while {missing} of {view.total} images were not done")
    return None


def iso(at_ms: float) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_job_id(text: str) -> bool:
    """Whether ``text`` can be a job's id at all; anything else never reaches a key."""
    return 0 < len(text) <= 64 and text.isascii() and text.isalnum()
