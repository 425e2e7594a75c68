"""A job as it goes, told in order: what a server-sent event stream carries.

Results have the place at which they were committed as their id, so a stream that broke goes on after the last one seen,
without a gap and without one twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.crud.changes import Changes, Watcher
from gateway.crud.jobs import JobBody, Jobs
from gateway.crud.results import CHUNK, some
from tenfold.contract.states import FINAL_JOB_STATES

PING_S: Final = 15.0
FINAL_MARK: Final = "end"
"""Stands in the id of the last event: who has seen it has seen everything."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client has seen already: how many results, and whether the end."""

    results: int = 0
    end: bool = False


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event: ``kind`` is ``state``, ``progress`` or ``result``; None is a sign of life without content."""

    kind: str | None = None
    id: str = ""
    data: Any = None


def read_seen(last_event_id: str | None) -> Seen:
    """What ``Last-Event-ID`` says; a strange one counts as nothing seen."""
    match = re.fullmatch(rf"([0-9]{{1,9}})(-{FINAL_MARK})?", last_event_id or "")
    return Seen(int(match[1]), match[2] is not None) if match else Seen()


async def follow(jobs: Jobs, changes: Changes, watcher: Watcher, job_id: str, seen: Seen) -> AsyncIterator[JobEvent]:
    """The job's events from what was ``seen`` on, until it is final, gone, or the process stops.

    One reader never holds another up: each reads from the store at its own pace.
    """
    told = _Told(seen.results)
    while (view := await jobs.store.job(job_id)) is not None:
        body = await jobs.body(view)
        is_final = view.state in FINAL_JOB_STATES
        if not is_final:
            for event in told.state(body):
                yield event
        async for event in _new_results(jobs, job_id, told):
            yield event
        for event in told.progress(body):
            yield event
        if is_final:
            yield JobEvent("state", f"{told.results}-{FINAL_MARK}", body)
            return
        if changes.closing:
            return
        await watcher.wait(PING_S)
        if told.silent_s() >= PING_S:
            told.spoke()
            yield JobEvent()


async def _new_results(jobs: Jobs, job_id: str, told: _Told) -> AsyncIterator[JobEvent]:
    while indexes := await jobs.store.committed(job_id, told.results, CHUNK):
        images = {image.index: image for image in await some(jobs.store, job_id, indexes)}
        for index in indexes:
            told.results += 1
            if index in images:
                told.spoke()
                yield JobEvent("result", str(told.results), images[index])
        if len(indexes) < CHUNK:
            return


class _Told:
    """What this stream has told already."""

    def __init__(self, results: int) -> None:
        self.results = results
        self._state = ""
        self._progress: dict[str, Any] = {}
        self._spoke_s = time.monotonic()

    def spoke(self) -> None:
        self._spoke_s = time.monotonic()

    def silent_s(self) -> float:
        return time.monotonic() - self._spoke_s

    def state(self, body: JobBody) -> list[JobEvent]:
        if body.state == self._state:
            return []
        self._state = body.state
        self.spoke()
        return [JobEvent("state", str(self.results), body)]

    def progress(self, body: JobBody) -> list[JobEvent]:
        names = ("state", "open", "images", "level", "position", "eta_ms")
        progress = {name: getattr(body, name) for name in names}
        if progress == self._progress:
            return []
        self._progress = progress
        self.spoke()
        return [JobEvent("progress", str(self.results), progress)]


def write_event(event: JobEvent) -> bytes:
    """An event as a stream carries it."""
    if event.kind is None:
        return b": ping\n\n"
    data = msgspec.json.encode(event.data)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.kind.encode(), data)
