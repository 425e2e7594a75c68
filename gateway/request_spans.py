"""Requests as spans. FastAPI makes them, by the conventions for HTTP; what only Tenfold knows is added here.

Loaded only where spans are asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from starlette.types import Scope

from gateway.crud.tracing import Tracing
from tenfold.contract.records import Submission
from tenfold.tracing.spans import Spans, context_of, current
from tenfold.tracing.traceparent import Place, job_span_id, read

_QUIET: Final = ("/healthz", "/readyz", "/metrics")
_TOLD: Final = {
    "request_id": "tenfold.request.id",
    "client": "tenfold.client.id",
    "job": "tenfold.job.id",
    "code": "tenfold.error.code",
}


class RequestSpans(Tracing):
    """Tells of each request but those by which machines look whether this one lives."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    @property
    def telemetry(self) -> TelemetryConfig:
        """Spans of requests from FastAPI itself; the rest of its telemetry stays off: there is ``/metrics``."""
        return {
            **super().telemetry,
            "tracing": True,
            "tracer_provider": self._spans.provider,
            "operation_spans": False,
            "exclude": _is_quiet,
        }

    def traceparent(self) -> str:
        """The request's span, where it is sampled; else ""."""
        return current()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A span inside the request's. It does not become current: jobs and log lines belong to the request."""
        span = self._spans.begin_inside(name)
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", getattr(error, "code", type(error).__qualname__))
            raise
        finally:
            span.end()

    def belongs_to(self, job: Submission) -> None:
        """Link the request's span to that of the job."""
        place = read(job.traceparent)
        if place is not None:
            trace.get_current_span().add_link(context_of(Place(place.trace_id, job_span_id(job.job_id))))

    def answered(self, scope: Scope) -> None:
        """Add the ids that stand in the log line too, and the job that the path names."""
        span = trace.get_current_span()
        if not isinstance(span, ReadableSpan) or not span.is_recording():
            return
        route = getattr(scope.get("route"), "path", "")
        if route and "http.route" not in (span.attributes or {}):  # what was answered without the framework's routing
            span.set_attribute("http.route", route)
            span.update_name(f"{scope['method']} {route}")
        told = {"job": scope.get("path_params", {}).get("job_id")}
        told |= {name: value for name in _TOLD if (value := scope.get(f"tenfold.{name}"))}
        span.set_attributes({_TOLD[name]: value for name, value in told.items() if value})

    def stop(self) -> None:
        """Send what is left."""
        self._spans.stop()


def _is_quiet(scope: MutableMapping[str, Any]) -> bool:
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", "")) in _QUIET
