"""One request's trace through a whole system, as a collector receives it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tenfold.tracing.traceparent import job_span_id
from tests.system.running import SYNTHETIC, eventually, running
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SCENE = Path(__file__).parents[2] / "examples" / "images" / "scene-1.jpg"


@dataclass
class Collector:
    """What arrived by OTLP over HTTP: (service, span) each."""

    server: ThreadingHTTPServer
    spans: list[tuple[str, Span]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def receive(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]

    def of_trace(self, trace_id: bytes) -> dict[str, tuple[str, Span]]:
        return {span.name: (service, span) for service, span in list(self.spans) if span.trace_id == trace_id}


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            arrived.receive(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    arrived = Collector(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    thread = threading.Thread(target=arrived.server.serve_forever)
    thread.start()
    yield arrived
    arrived.server.shutdown()
    thread.join()
    arrived.server.server_close()


def test_one_trace_leads_from_a_request_to_its_batch(tmp_path: Path, collector: Collector) -> None:
    """A request's trace holds its job and its images in the batch, from three services; the batch is linked to."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "TENFOLD_LOG_FORMAT": "json",
    }
    trace_id = REQUEST.trace_id.to_bytes(16, "big")
    with running(tmp_path, "--no-sample", "--model", SYNTHETIC, env=env) as system:
        with SCENE.open("rb") as picture:
            sent = httpx.post(
                f"{system.url}/v1/detect", files={"files": picture}, headers={"traceparent": TRACEPARENT}, timeout=60
            )
        assert sent.status_code == 200, sent.text
        assert eventually(lambda: {"job", "images in batch"} <= collector.of_trace(trace_id).keys(), 60)
        assert system.stop() == 0
    told = collector.of_trace(trace_id)
    assert {name: service for name, (service, _) in told.items()} == {
        "POST /v1/detect": "tenfold-gateway",
        "receive images": "tenfold-gateway",
        "submit job": "tenfold-gateway",
        "job": "tenfold-scheduler",
        "wait for a worker": "tenfold-scheduler",
        "images in batch": "tenfold-worker",
    }
    request, job, images = (told[name][1] for name in ("POST /v1/detect", "job", "images in batch"))
    assert request.parent_span_id == REQUEST.span_id.to_bytes(8, "big")
    assert job.parent_span_id == request.span_id
    assert job.span_id == job_span_id(sent.json()["id"]).to_bytes(8, "big") == images.parent_span_id
    assert [event.name for event in job.events][:2] == ["entered", "batched"]
    batch = collector.of_trace(images.links[0].trace_id)["inference batch"][1]
    assert batch.span_id == images.links[0].span_id
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(trace_id, job.span_id)]
    assert f'"trace_id":"{trace_id.hex()}"' in system.log.read_text()
