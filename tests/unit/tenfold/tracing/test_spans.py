import logging
import threading
import time

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from tenfold.tracing.spans import (
    DecidedBefore,
    FixedIds,
    Seldom,
    Spans,
    Told,
    WithTrace,
    context_of,
    current,
    gathering,
)
from tenfold.tracing.traceparent import Place
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT, Gathered, parent_of, place_of


def test_a_span_that_is_over_is_told_as_it_was() -> None:
    """Its place, parent, times, events and failure are those that are given, and no other span has its number."""
    gathered = Gathered()
    told = Told(
        "job", REQUEST, 1_000.5, 2_000.25, {"a": 1}, span_id=77, events=[("sank", 1_500.0, {"b": 2})], error="x"
    )
    gathered.spans.tell(told)
    gathered.spans.tell(Told("job", REQUEST, 1_000.0, 1_001.0))
    span, other = gathered.named("job")
    assert place_of(span) == Place(REQUEST.trace_id, 77)
    assert place_of(other) not in {Place(REQUEST.trace_id, 77), REQUEST}
    assert parent_of(span) == REQUEST
    assert (span.start_time, span.end_time) == (1_000_500_000, 2_000_250_000)
    assert dict(span.attributes or {}) == {"a": 1}
    assert [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events] == [
        ("sank", 1_500_000_000, {"b": 2})
    ]
    assert (span.status.is_ok, span.status.description) == (False, "x")


def test_a_process_names_itself() -> None:
    """Each span says which service, which of its processes and which version it is from."""
    gathered = Gathered("tenfold-worker", "worker-1.ab12")
    gathered.spans.tell(Told("x", REQUEST, 0.0, 1.0))
    about = gathered.one("x").resource.attributes
    assert about["service.name"] == "tenfold-worker"
    assert about["service.instance.id"] == "worker-1.ab12"
    assert about["service.namespace"] == "tenfold"
    assert about["service.version"]


def test_what_belongs_to_a_sampled_job_is_sampled() -> None:
    """Whatever the sampler says of requests, a batch and what lies inside a job's or a batch's span are told."""
    ids, exporter = FixedIds(), InMemorySpanExporter()
    provider = TracerProvider(sampler=DecidedBefore(ALWAYS_OFF), id_generator=ids)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider, ids)
    batch = spans.begin("inference batch", SpanKind.CONSUMER, {"a": 1}, [Link(context_of(REQUEST))])
    spans.tell(Told("detect", Place(batch.get_span_context().trace_id, batch.get_span_context().span_id), 0.0, 1.0))
    batch.end()
    spans.begin_inside("request").end()
    told = exporter.get_finished_spans()
    assert [(span.name, dict(span.attributes or {})) for span in told] == [
        ("detect", {}),
        ("inference batch", {"a": 1}),
    ]


def test_the_current_span_is_passed_on_where_it_is_sampled() -> None:
    """A traceparent names the current span; there is none outside of spans and of one that is not sampled."""
    assert current() == ""
    with trace.use_span(trace.NonRecordingSpan(context_of(REQUEST))):
        assert current() == TRACEPARENT
    unsampled = SpanContext(REQUEST.trace_id, REQUEST.span_id, True, TraceFlags(0))
    with trace.use_span(trace.NonRecordingSpan(unsampled)):
        assert current() == ""


def record(created_s: float = 0.0) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": "x"})
    made.created = created_s
    return made


def test_log_records_learn_of_the_current_span() -> None:
    """Inside a span a record has its ids, outside it has none, and both pass."""
    inside_one, outside = record(), record()
    span = Gathered().spans.begin("x", SpanKind.INTERNAL, {})
    with trace.use_span(span):
        assert WithTrace().filter(inside_one)
    assert WithTrace().filter(outside)
    place = span.get_span_context()
    assert vars(inside_one)["trace_id"] == f"{place.trace_id:032x}"
    assert vars(inside_one)["span_id"] == f"{place.span_id:016x}"
    assert "trace_id" not in vars(outside)


def test_a_collector_that_is_away_is_complained_of_seldom() -> None:
    """Of the SDK's many complaints one a minute passes."""
    seldom = Seldom(60.0)
    assert [seldom.filter(record(at_s)) for at_s in (100.0, 101.0, 159.9, 160.0, 161.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]


class Stuck(SpanProcessor):
    """Waits for a collector that does not answer."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def on_end(self, span: ReadableSpan) -> None:
        pass

    def shutdown(self) -> None:
        self.released.wait()


def test_a_stuck_collector_holds_no_service_up() -> None:
    """Stopping takes a few seconds at most, also where the last spans cannot be sent."""
    stuck = Stuck()
    began_s = time.monotonic()
    gathering("tenfold-test", "", stuck).stop()
    took_s = time.monotonic() - began_s
    stuck.released.set()
    assert took_s < 10
