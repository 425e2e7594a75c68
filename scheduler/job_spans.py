"""Jobs as spans, told of when they have ended, on a thread of their own. Loaded only where spans are asked for.

Whichever scheduler lives takes the ended jobs, each once, from what Redis keeps of them anyway: the leader's loop has
no part in it, and a job whose leader changed has one span all the same. What a scheduler took and had not sent when it
was killed is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Final

import msgspec
from redis.exceptions import RedisError

from scheduler.core.decisions import TraceKind
from tenfold.contract.errors import BadMessage
from tenfold.contract.states import JobState
from tenfold.store.ended_jobs import EndedJob, EndedJobs, TraceLine
from tenfold.tracing.spans import Attribute, Spans, Told
from tenfold.tracing.traceparent import Place, job_span_id, read

log = logging.getLogger("tenfold.scheduler")

EACH_S: Final = 1.0
EVENTS_MAX: Final = 128
"""OpenTelemetry's own bound on the events of a span."""
_BAD: Final = {JobState.FAILED: "no image has a result", JobState.EXPIRED: "its deadline passed"}


class JobSpans:
    """Looks for ended jobs about once a second."""

    def __init__(self, ended: EndedJobs, spans: Spans) -> None:
        self._ended = ended
        self._spans = spans
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job spans", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and send what is left."""
        self._stopped.set()
        self._thread.join()
        self._spans.stop()

    def look(self) -> None:
        """One look: take what ended, and tell of it. Redis errors are raised, and BadMessage."""
        for job in self._ended.traced(self._ended.take()):
            try:
                tell_of(job, self._spans)
            except Exception:  # whatever is wrong with one, the others were taken too
                log.exception("job %s could not be told of", job.job.job_id)

    def _run(self) -> None:
        while not self._stopped.wait(EACH_S):
            try:
                self.look()
            except (RedisError, BadMessage, msgspec.DecodeError) as error:
                log.warning("jobs that ended are not told of: %s", error)


def tell_of(ended: EndedJob, spans: Spans) -> None:
    """Tell of ``ended``: its span, and within it the wait until a worker first took something of it."""
    request = read(ended.job.traceparent)
    if request is None:
        return
    job = ended.job
    own = Place(request.trace_id, job_span_id(job.job_id))
    started_ms = ended.finished_ms if ended.started_ms is None else ended.started_ms
    spans.tell(Told("wait for a worker", own, job.submitted_ms, max(job.submitted_ms, started_ms), _ids(ended)))
    spans.tell(
        Told(
            "job",
            request,
            job.submitted_ms,
            max(job.submitted_ms, ended.finished_ms),
            _attributes(ended),
            span_id=own.span_id,
            events=[_event(line) for line in most_telling(ended.trace)],
            error=_BAD.get(ended.state, ""),
        )
    )


def most_telling(trace: Sequence[TraceLine]) -> Sequence[TraceLine]:
    """All lines; of a story that is too long, not those of its batches, which have spans of their own."""
    return trace if len(trace) <= EVENTS_MAX else [line for line in trace if line.kind != TraceKind.BATCHED]


def _ids(ended: EndedJob) -> dict[str, Attribute]:
    return {"tenfold.job.id": ended.job.job_id}


def _attributes(ended: EndedJob) -> dict[str, Attribute]:
    job = ended.job
    return {
        **_ids(ended),
        "tenfold.client.id": job.client,
        "tenfold.model": job.model,
        "tenfold.lane": job.lane,
        "tenfold.priority": job.priority.value,
        "tenfold.job.state": ended.state.value,
        "tenfold.job.bytes": job.bytes,
        "tenfold.job.images": ended.total,
        "tenfold.job.images.done": ended.done,
        "tenfold.job.images.failed": ended.failed,
        **({} if ended.level is None else {"tenfold.level": ended.level}),
    }


def _event(line: TraceLine) -> tuple[str, float, dict[str, Attribute]]:
    attributes: dict[str, Attribute] = {"tenfold.level": line.level}
    if line.batch_id:
        attributes["tenfold.batch.id"] = line.batch_id
    attributes |= {f"tenfold.{name}": value for name, value in line.detail.items()}
    return line.kind, line.at_ms, attributes
