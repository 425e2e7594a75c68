"""`AsyncTenfold`: the client for programs on asyncio; each method does what its twin in `blocking` does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from tenfold.client import calls
from tenfold.client.calls import Call, T
from tenfold.client.connection import Connection
from tenfold.client.delivery import PATIENT, Delivery, OnSent, tell_sent, until
from tenfold.client.errors import ClientError
from tenfold.client.events import Event, ResultCommitted, StateChanged, Trail, job_after, moment_after
from tenfold.client.records import ImageResult, Job, JobPage, Model
from tenfold.client.retries import NONE, Attempts, Retries, as_ours
from tenfold.client.uploads import Options, Pictures, uploads_of

POLL_S = 0.25


@dataclass(slots=True)
class AsyncTenfold(Connection):
    """A running Tenfold at `url`. An asynchronous context manager; every method raises ClientError."""

    _http: httpx.AsyncClient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        Connection.__post_init__(self)  # `super()` knows no class that was made anew for its slots
        self._http = httpx.AsyncClient(**self._http_arguments())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

    async def detect(self, images: Pictures, options: Options | None = None, *, wait_s: float | None = None) -> Job:
        """Send images and wait for their results, which stand in the job's `results` in the order of the images.

        A single image that cannot be used raises ApiError; among several, it is that image's own error. Raises
        WaitRanOut after `wait_s` (None: as long as it takes); the job then goes on.
        """
        give_up_at_s = moment_after(wait_s)
        delivery = await asyncio.to_thread(lambda: Delivery.of(uploads_of(images), options, None))
        if delivery.is_one:
            job = await self._run(calls.detect(delivery.parts[0], options, wait_s))
        else:
            job = await self._deliver(delivery, until(give_up_at_s))
        if job.results is not None:
            return job
        return await self._finish(Trail(self.url, job.id, give_up_at_s))

    async def submit(
        self,
        images: Pictures,
        options: Options | None = None,
        *,
        idempotency_key: str | None = None,
        on_sent: OnSent | None = None,
    ) -> Job:
        """Send images as a batch job and return when all are sent. The same key again gives the same job.

        What one request should not carry goes in parts and is computed meanwhile; where there is no room for a part, it
        waits for some. `on_sent` hears of each part. Where sending breaks off, the job is canceled, unless
        `idempotency_key` was given: with it, calling again sends the rest.
        """
        delivery = await asyncio.to_thread(lambda: Delivery.of(uploads_of(images), options, idempotency_key))
        return await self._deliver(delivery, on_sent)

    async def open_job(self, options: Options | None = None, *, idempotency_key: str | None = None) -> Job:
        """A job without an image, to which images are added until it is closed. The same key again gives the same."""
        return await self._run(calls.open_job(options, idempotency_key))

    async def add_images(self, job_id: str, images: Pictures, *, idempotency_key: str | None = None) -> Job:
        """Add images to an open job, in one request; the job's `added` says which indexes they were given.

        The same images under the same key again are added once. ApiError `job_closed` where the job is not open.
        """
        return await self._run(calls.add_images(job_id, await asyncio.to_thread(uploads_of, images), idempotency_key))

    async def close_job(self, job_id: str) -> Job:
        """Say that no more images follow: the job ends with its last one. One that is closed stays as it is."""
        return await self._run(calls.close_job(job_id))

    async def models(self) -> list[Model]:
        """The models that can be asked for, each with its classes and sizes."""
        return (await self._run(calls.models())).models

    async def job(self, job_id: str) -> Job:
        """One job as it is now."""
        return await self._run(calls.job(job_id))

    async def jobs(self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None) -> JobPage:
        """A page of jobs, newest first."""
        return await self._run(calls.jobs(state, limit, cursor))

    async def results(self, job_id: str) -> AsyncIterator[ImageResult]:
        """The results so far, in index order, all pages."""
        cursor: str | None = None
        while True:
            page = await self._run(calls.results(job_id, cursor))
            for result in page.results:
                yield result
            cursor = page.next_cursor
            if cursor is None:
                return

    async def results_as(self, job_id: str, form: str) -> bytes:
        """The results in one of the service's formats (ndjson, coco, yolo, csv), as bytes."""
        return await self._run(calls.results_as(job_id, form))

    async def picture(self, job_id: str, index: int) -> bytes:
        """An image with its boxes drawn, as PNG, while the service keeps it."""
        return await self._run(calls.picture(job_id, index))

    async def save_pictures(self, job_id: str, path: Path | str) -> None:
        """Write all of a job's images with their boxes drawn to `path`, as a zip.

        What the service no longer keeps is named in its `missing.txt`; where that is all, ApiError (`image_gone`).
        Raises OSError where nothing can be written.
        """
        await self._run(calls.pictures(job_id, Path(path)))

    async def trace(self, job_id: str) -> list[dict[str, Any]]:
        """What the scheduler did with a job, in order."""
        return list((await self._run(calls.trace(job_id))).get("trace") or [])

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that is over stays as it is."""
        return await self._run(calls.cancel(job_id))

    async def events(
        self, job_id: str, *, timeout_s: float | None = None, every_s: float = POLL_S
    ) -> AsyncIterator[Event]:
        """What happens to a job until it is final, without a gap and nothing twice; a broken line is taken up again.

        Where no stream comes through, the job is asked for every `every_s`. Raises WaitRanOut after `timeout_s`.
        """
        async for event in self._follow(Trail(self.url, job_id, moment_after(timeout_s)), every_s):
            yield event

    async def watch(
        self, job_id: str, *, every_s: float = POLL_S, timeout_s: float | None = None
    ) -> AsyncIterator[Job]:
        """The job each time something about it changed, until it is final. Raises WaitRanOut after `timeout_s`."""
        job: Job | None = None
        async for event in self._follow(Trail(self.url, job_id, moment_after(timeout_s), with_results=False), every_s):
            before, job = job, job_after(job, event)
            if job is not None and job != before:
                yield job

    async def as_completed(self, job_id: str, *, timeout_s: float | None = None) -> AsyncIterator[ImageResult]:
        """Each image's result once it is there, in the order of their ends. Raises WaitRanOut after `timeout_s`."""
        async for event in self.events(job_id, timeout_s=timeout_s):
            if isinstance(event, ResultCommitted):
                yield event.result

    async def get(self, path: str) -> dict[str, Any]:
        """Any other route's JSON object, as plain values."""
        return await self._run(calls.get(path))

    async def call(self, method: str, path: str, kind: type[T], *, json: Any = None, **params: Any) -> T:
        """Any other route, its answer as a `kind`; `json` is the body, `params` the query."""
        return await self._run(Call(method, path, kind, params=params, json=json, repeatable=method == "GET"))

    async def is_ready(self) -> bool:
        """Whether the service says that it can work: Redis, a scheduler and a worker are there."""
        try:
            await self._run(calls.get("/readyz"), NONE)
        except ClientError:
            return False
        return True

    async def _deliver(self, delivery: Delivery, on_sent: OnSent | None) -> Job:
        if delivery.is_one:
            job = await self._run(delivery.whole())
            tell_sent(on_sent, job, len(delivery.parts[0]))
            return job
        job = await self._run(delivery.opening())
        try:
            tell_sent(on_sent, job, 0)
            for part, sent in delivery.adding(job.id):
                job = await self._run(part, when_busy=PATIENT)
                tell_sent(on_sent, job, sent)
            return await self._run(calls.close_job(job.id))
        except ClientError:
            if not delivery.is_resumable:
                with contextlib.suppress(ClientError):
                    await self._run(calls.cancel(job.id), NONE)
            raise

    async def _run(self, call: Call[T], retries: Retries | None = None, *, when_busy: Retries | None = None) -> T:
        attempts = Attempts(self.url, call, retries or self.retries, self._reached, when_busy)
        while True:
            failed: Exception | httpx.Response
            try:
                failed = reply = await self._send(call)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failed, wait_s = error, attempts.after_error(error)
            else:
                self._reached = True
                again_s = attempts.after_reply(reply)
                if again_s is None:
                    return call.read(reply)
                wait_s = again_s
            self._tell_of_retry(self._why(failed), wait_s)
            await asyncio.sleep(wait_s)

    async def _send(self, call: Call[T]) -> httpx.Response:
        asked = self._http.build_request(**call.request(self.connect_timeout_s, self.read_timeout_s))
        if call.into is None:
            return await self._http.send(asked)
        reply = await self._http.send(asked, stream=True)
        try:
            if reply.is_error:
                await reply.aread()
                return reply
            calls.check_ours(reply)
            with calls.arriving(call.into) as out:
                async for chunk in reply.aiter_bytes():
                    await asyncio.to_thread(out.write, chunk)
        finally:
            await reply.aclose()
        return reply

    async def _follow(self, trail: Trail, every_s: float = POLL_S) -> AsyncIterator[Event]:
        while not trail.is_over:
            if trail.must_poll:
                async for event in self._poll(trail, every_s):
                    yield event
                return
            try:
                request = self._http.build_request(**trail.request(self.connect_timeout_s))
                reply = await self._http.send(request, stream=True)
                try:
                    async for event in self._read(reply, trail):
                        yield event
                finally:
                    await reply.aclose()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if not self._reached:
                    raise as_ours(error, self.url, calls.get(trail.job_id)) from error
                await asyncio.sleep(trail.broke(error))
            else:
                if trail.needs_stream:
                    await asyncio.sleep(trail.broke())

    async def _read(self, reply: httpx.Response, trail: Trail) -> AsyncIterator[Event]:
        self._reached = True
        if reply.is_error:
            await reply.aread()
        if trail.opened(reply):
            async for chunk in reply.aiter_bytes():
                for event in trail.read(chunk):
                    yield event
                if trail.is_over:
                    return

    async def _poll(self, trail: Trail, every_s: float) -> AsyncIterator[Event]:
        while True:
            job = await self.job(trail.job_id)
            results = [one async for one in self.results(trail.job_id)] if trail.wants_results(job) else []
            for event in trail.polled(job, results):
                yield event
            if trail.is_over:
                return
            trail.check_time()
            await asyncio.sleep(every_s)

    async def _finish(self, trail: Trail) -> Job:
        """The job at its end, with all results."""
        results: dict[int, ImageResult] = {}
        job: Job | None = None
        async for event in self._follow(trail):
            if isinstance(event, ResultCommitted):
                results[event.result.index] = event.result
            elif isinstance(event, StateChanged):
                job = event.job
        job = await self.job(trail.job_id) if job is None else job
        return msgspec.structs.replace(job, results=[results[index] for index in sorted(results)])
