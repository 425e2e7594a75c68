"""Batches as spans: one in a trace of its own with its phases, and in each traced job's trace one for its images in it.

A batch is claimed at most once, and the worker that claimed it tells of it when it is over; of a batch whose worker was
killed nobody tells, and its job's span says so (``retried``). Loaded only where spans are asked for.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Token
from dataclasses import dataclass, field
from typing import Final, Self

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from inference_worker.runner import Outcome
from inference_worker.telling import UNTOLD, Tale, Telling
from tenfold.contract.records import ItemResult
from tenfold.store.worker_store import Claim
from tenfold.tracing.spans import Attribute, Spans, Told, context_of, nanoseconds
from tenfold.tracing.traceparent import Place, job_span_id, read

log = logging.getLogger("tenfold.worker")

WAITING_MAX: Final = 1_000
"""Batches that wait to be told of; beyond, they are not."""
PHASE_LEAST_S: Final = 0.000_1
"""A wait that is shorter is none."""
LOST: Final = "the lease was lost: what was computed is dropped, and others run it"


class BatchSpans(Telling):
    """Tells of traced batches, on a thread of its own: the next batch does not wait for it."""

    def __init__(self, spans: Spans, worker: str) -> None:
        self._spans = spans
        self._worker = worker
        self._over: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="batch spans", daemon=True)
        self._thread.start()

    def batch(self, claim: Claim) -> Tale:
        """A batch that was just claimed; told of where somebody traces a job of it."""
        jobs = dict(_traced(claim))
        return _BatchTale(self._spans, self._tell_later, claim, jobs, self._worker) if jobs else UNTOLD

    def stop(self) -> None:
        """Tell of what waits, and send it."""
        self._over.put(None)
        self._thread.join()
        self._spans.stop()

    def _tell_later(self, tell: Callable[[], None]) -> None:
        with suppress(queue.Full):
            self._over.put_nowait(tell)

    def _run(self) -> None:
        while (tell := self._over.get()) is not None:
            try:
                tell()
            except Exception:
                log.exception("a batch could not be told of")


def _traced(claim: Claim) -> Iterator[tuple[str, Place]]:
    for job_id, share in claim.batch.jobs.items():
        request = read(share.traceparent) if share.traceparent else None
        if request is not None:
            yield job_id, Place(request.trace_id, job_span_id(job_id))


class _Clock:
    """Turns ``time.perf_counter`` into milliseconds since the epoch: phases then never run backwards."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.perf_counter()

    def ms(self, at_s: float) -> float:
        return (at_s + self._offset_s) * 1000


@dataclass(slots=True)
class _BatchTale(Tale):
    """A batch that is traced.

    Attributes:
        jobs: the spans of its traced jobs.
    """

    spans: Spans
    later: Callable[[Callable[[], None]], None]
    claim: Claim
    jobs: dict[str, Place]
    worker: str
    clock: _Clock = field(default_factory=_Clock)
    began_s: float = field(default_factory=time.perf_counter)
    ran_s: float = 0.0
    outcome: Outcome | None = None
    is_committed: bool = False
    span: Span = trace.INVALID_SPAN
    token: Token[Context] | None = None

    def __enter__(self) -> Self:
        links = [Link(context_of(place), {"tenfold.job.id": job_id}) for job_id, place in self.jobs.items()]
        self.span = self.spans.begin("inference batch", SpanKind.CONSUMER, self._about(), links)
        self.token = contexts.attach(trace.set_span_in_context(self.span))
        return self

    def __exit__(self, *_: object) -> None:
        if self.token is not None:
            contexts.detach(self.token)

    def ran(self, outcome: Outcome) -> None:
        self.ran_s = time.perf_counter()
        self.outcome = outcome

    def over(self, ended_s: float, *, committed: bool) -> None:
        self.is_committed = committed
        self.later(lambda: self._tell(ended_s))

    def _tell(self, ended_s: float) -> None:
        if self.outcome is not None:
            self._tell_phases(self.outcome, ended_s)
            self.span.set_attribute("tenfold.batch.end", self.outcome.event.reason.value)
            self.span.set_attribute("tenfold.batch.handed_back", len(self.outcome.event.left))
        for job_id, place in self.jobs.items():
            self._tell_job(job_id, place, ended_s)
        if not self.is_committed:
            self.span.set_status(StatusCode.ERROR, LOST)
        self.span.end(nanoseconds(self.clock.ms(ended_s)))

    def _tell_phases(self, outcome: Outcome, ended_s: float) -> None:
        self._phase("fetch images", outcome.began_s, outcome.fetched_s)
        for step in outcome.steps:
            images: dict[str, Attribute] = {"tenfold.images": step.images}
            if step.detecting_s - step.began_s >= PHASE_LEAST_S:
                self._phase("wait for decoding", step.began_s, step.detecting_s, images)
            self._phase("detect", step.detecting_s, step.ended_s, images)
        self._phase("commit results", self.ran_s, ended_s)

    def _phase(self, name: str, start_s: float, end_s: float, about: dict[str, Attribute] | None = None) -> None:
        own = self.span.get_span_context()
        place = Place(own.trace_id, own.span_id)
        self.spans.tell(Told(name, place, self.clock.ms(start_s), self.clock.ms(end_s), about or {}))

    def _tell_job(self, job_id: str, place: Place, ended_s: float) -> None:
        mine = [at for at in self.claim.positions if self.claim.batch.items[at][0] == job_id]
        if not mine:
            return  # canceled or expired before it was claimed
        results = [result for owner, result in self.outcome.results if owner == job_id] if self.outcome else []
        about: dict[str, Attribute] = {
            **self._about(),
            "tenfold.job.id": job_id,
            "tenfold.images": len(results),
            "tenfold.images.failed": sum(result.error is not None for result in results),
            "tenfold.images.handed_back": len(mine) - len(results),
            **_times(results),
        }
        self.spans.tell(
            Told(
                "images in batch",
                place,
                self.clock.ms(self.began_s),
                self.clock.ms(ended_s),
                about,
                SpanKind.CONSUMER,
                links=[Link(self.span.get_span_context())],
                events=list(self._failures(results, ended_s)),
                error="" if self.is_committed else LOST,
            )
        )

    def _failures(self, results: list[ItemResult], ended_s: float) -> Iterator[tuple[str, float, dict[str, Attribute]]]:
        for result in results:
            if result.error is not None:
                about: dict[str, Attribute] = {"tenfold.image": result.index, "tenfold.error.code": result.error.code}
                yield "image failed", self.clock.ms(ended_s), about

    def _about(self) -> dict[str, Attribute]:
        batch = self.claim.batch
        return {
            "tenfold.batch.id": batch.id,
            "tenfold.batch.size": len(self.claim.positions),
            "tenfold.batch.jobs": len(batch.jobs),
            "tenfold.model": batch.model,
            "tenfold.lane": batch.lane,
            "tenfold.level": batch.level,
            "tenfold.worker": self.worker,
        }


def _times(results: list[ItemResult]) -> dict[str, Attribute]:
    """Where the time of these images went; they waited and were computed together, and decoded one by one."""
    timings = [result.timing for result in results if result.timing is not None]
    if not timings:
        return {}
    return {
        "tenfold.queued_ms": max(timing.queued_ms for timing in timings),
        "tenfold.decode_ms": round(sum(timing.decode_ms for timing in timings), 3),
        "tenfold.inference_ms": max(timing.inference_ms for timing in timings),
    }
