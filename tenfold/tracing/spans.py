"""Spans by OpenTelemetry's SDK. Loaded only where they are asked for (`tenfold.tracing.starting`)."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.util.types import Attributes

from tenfold import __version__
from tenfold.tracing.traceparent import Place, write

Attribute = str | int | float | bool
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_DECIDED: Final = contexts.create_key("tenfold: it is sampled")
STOP_S: Final = 2.0
COMPLAIN_EACH_S: Final = 60.0
"""How often it is said that the collector does not answer."""
EXPORTER_LOG: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@dataclass(frozen=True, slots=True)
class Told:
    """A span that is over: what is told of it at once. Times are milliseconds since the epoch.

    Attributes:
        parent: the span that it belongs to.
        span_id: its own number where that is fixed, else 0.
        events: (name, when, attributes).
        error: why it failed, "" where it did not.
    """

    name: str
    parent: Place
    start_ms: float
    end_ms: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    kind: SpanKind = SpanKind.INTERNAL
    span_id: int = 0
    links: Sequence[Link] = ()
    events: Sequence[tuple[str, float, Mapping[str, Attribute]]] = ()
    error: str = ""


class Spans:
    """What one process tells of itself.

    Attributes:
        provider: the SDK's; whoever makes spans by himself is given it.
    """

    def __init__(self, provider: TracerProvider, ids: FixedIds) -> None:
        self.provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("tenfold", __version__)

    def begin(self, name: str, kind: SpanKind, attributes: Attributes, links: Sequence[Link] = ()) -> Span:
        """A span that begins now, in a trace of its own, for jobs that are sampled."""
        return self._tracer.start_span(name, _decided(), kind, attributes, links)

    def begin_inside(self, name: str) -> Span:
        """A span that begins now, inside the one that is current."""
        return self._tracer.start_span(name)

    def tell(self, told: Told) -> None:
        """Tell of a span that is over."""
        with self._ids.fixed(told.span_id):
            span = self._tracer.start_span(
                told.name, inside(told.parent), told.kind, told.attributes, told.links, nanoseconds(told.start_ms)
            )
        for name, at_ms, attributes in told.events:
            span.add_event(name, attributes, nanoseconds(at_ms))
        if told.error:
            span.set_status(trace.StatusCode.ERROR, told.error)
        span.end(nanoseconds(told.end_ms))

    def stop(self) -> None:
        """Send what is left, within :data:`STOP_S`: nobody waits longer for a collector that does not answer."""
        # The SDK's own shutdown waits for half a minute, which is more than a service has until it is killed.
        ending = threading.Thread(target=self.provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(STOP_S)


class FixedIds(RandomIdGenerator):
    """Random numbers, but for a span whose number is fixed."""

    def __init__(self) -> None:
        self._fixed: ContextVar[int] = ContextVar("fixed span id", default=0)

    @contextlib.contextmanager
    def fixed(self, span_id: int) -> Iterator[None]:
        """Give the number ``span_id`` to the span that begins meanwhile; 0: a random one."""
        token = self._fixed.set(span_id)
        try:
            yield
        finally:
            self._fixed.reset(token)

    def generate_span_id(self) -> int:
        """The fixed number, else a random one."""
        return self._fixed.get() or super().generate_span_id()


class DecidedBefore(Sampler):
    """What is told of a job that is sampled is sampled too, in every service; all else as ``otherwise`` says.

    The request's own decision counts once and for all: a sampler that looks at each trace's number alone would keep
    parts of a batch's trace.
    """

    def __init__(self, otherwise: Sampler) -> None:
        self._otherwise = otherwise

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision for a span."""
        if parent_context is not None and contexts.get_value(_DECIDED, parent_context):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._otherwise.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Its name, for people."""
        return f"DecidedBefore{{{self._otherwise.get_description()}}}"


class WithTrace(logging.Filter):
    """Gives each log record the ``trace_id`` and ``span_id`` of the span that is current, where one is."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True: every record passes."""
        place = trace.get_current_span().get_span_context()
        if place.is_valid:
            record.trace_id = f"{place.trace_id:032x}"
            record.span_id = f"{place.span_id:016x}"
        return True


class Seldom(logging.Filter):
    """Lets one record pass, and the next when ``each_s`` is over: the SDK complains at each of its many tries."""

    def __init__(self, each_s: float) -> None:
        super().__init__()
        self._each_s = each_s
        self._next_s = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether enough time has passed, by the record's own."""
        if record.created < self._next_s:
            return False
        self._next_s = record.created + self._each_s
        return True


def sending(service: str, instance: str) -> Spans:
    """Spans that go to the endpoint that the ``OTEL_*`` variables name; log records learn of them."""
    logging.getLogger(EXPORTER_LOG).addFilter(Seldom(COMPLAIN_EACH_S))
    for handler in logging.getLogger().handlers:
        handler.addFilter(WithTrace())
    return gathering(service, instance, BatchSpanProcessor(OTLPSpanExporter()))


def gathering(service: str, instance: str, processor: SpanProcessor) -> Spans:
    """Spans that go to ``processor``. What the ``OTEL_*`` variables say of the resource and sampling is obeyed."""
    ids = FixedIds()
    provider = TracerProvider(resource=_resource(service, instance), id_generator=ids, shutdown_on_exit=False)
    provider.sampler = DecidedBefore(provider.sampler)
    provider.add_span_processor(processor)
    return Spans(provider, ids)


def _resource(service: str, instance: str) -> Resource:
    own: dict[str, Attribute] = {
        "service.name": service,
        "service.namespace": "tenfold",
        "service.version": __version__,
        "service.instance.id": instance or f"{socket.gethostname()}:{os.getpid()}",
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    # The variables last: who sets OTEL_SERVICE_NAME means it.
    return Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())


def context_of(place: Place) -> SpanContext:
    """``place`` as OpenTelemetry has it."""
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=SAMPLED)


def inside(place: Place) -> Context:
    """The context of what belongs to the span at ``place``."""
    return trace.set_span_in_context(NonRecordingSpan(context_of(place)), _decided())


def _decided() -> Context:
    return contexts.set_value(_DECIDED, True, Context())


def current() -> str:
    """The span that is current, as a traceparent; "" where none is, or it is not sampled."""
    place = trace.get_current_span().get_span_context()
    return write(Place(place.trace_id, place.span_id)) if place.is_valid and place.trace_flags.sampled else ""


def nanoseconds(at_ms: float) -> int:
    """Milliseconds since the epoch as OpenTelemetry counts."""
    return int(at_ms * 1e6)
