"""Spans that stay in this process, for a test to look at."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tenfold.tracing.spans import Spans, gathering
from tenfold.tracing.traceparent import Place

REQUEST = Place(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
"""The span of a request that somebody traces."""
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Gathered:
    """What one process told."""

    def __init__(self, service: str = "tenfold-test", instance: str = "one") -> None:
        self._exporter = InMemorySpanExporter()
        self.spans: Spans = gathering(service, instance, SimpleSpanProcessor(self._exporter))

    def all(self) -> list[ReadableSpan]:
        """Every span so far, as they ended."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


def place_of(span: ReadableSpan) -> Place:
    context = span.context
    assert context is not None
    return Place(context.trace_id, context.span_id)


def parent_of(span: ReadableSpan) -> Place | None:
    return None if span.parent is None else Place(span.parent.trace_id, span.parent.span_id)
