"""Requests as spans, seen on a real gateway."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from gateway.request_spans import RequestSpans
from tenfold.contract.records import Submission
from tenfold.tracing.traceparent import Place, job_span_id, read, write
from tests.integration.gateway.gateway_world import World, image, running_world
from tests.integration.waiting import wait_for
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT, Gathered, parent_of, place_of

UNSAMPLED = TRACEPARENT[:-2] + "00"


@dataclass
class Traced:
    """A gateway and what it told so far."""

    world: World
    gathered: Gathered

    def request(self, method: str, path: str, **about: Any) -> tuple[dict[str, Any], ReadableSpan]:
        """What a request was answered with, and its span."""
        seen = len(self._servers())
        answer: dict[str, Any] = self.world.http.request(method, path, **about).json()
        wait_for(lambda: len(self._servers()) > seen, "the request's span")
        return answer, self._servers()[-1]

    def job(self, job_id: str) -> Submission:
        return next(job for job in self.world.backend.jobs if job.job_id == job_id)

    def _servers(self) -> list[ReadableSpan]:
        return [span for span in self.gathered.all() if span.kind.name == "SERVER"]


@pytest.fixture(scope="module")
def module_traced(module_redis_url: str) -> Iterator[Traced]:
    gathered = Gathered("tenfold-gateway")
    with running_world(module_redis_url, tracing=RequestSpans(gathered.spans)) as world:
        yield Traced(world, gathered)


@pytest.fixture
def traced(module_traced: Traced) -> Traced:
    return module_traced


def detect(**headers: str) -> dict[str, Any]:
    return {"files": [("files", ("a.jpg", image()))], "headers": headers}


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_request_is_a_span_inside_its_clients(traced: Traced) -> None:
    """It continues the client's trace, by the conventions for HTTP, and carries the ids of its log line."""
    answer, span = traced.request("POST", "/v1/detect", **detect(traceparent=TRACEPARENT))
    assert span.name == "POST /v1/detect"
    assert parent_of(span) == REQUEST
    told = about(span)
    assert (told["http.request.method"], told["http.route"], told["url.path"]) == ("POST", "/v1/detect", "/v1/detect")
    assert told["http.response.status_code"] == 200
    assert told["tenfold.job.id"] == answer["id"]
    assert told["tenfold.client.id"] == "127.0.0.1"
    assert told["tenfold.request.id"]


def test_a_job_carries_its_requests_span(traced: Traced) -> None:
    """What is submitted names the request's span, so that others can tell of the job inside it."""
    answer, span = traced.request("POST", "/v1/detect", **detect(traceparent=TRACEPARENT))
    assert traced.job(answer["id"]).traceparent == write(place_of(span))


def test_receiving_and_submitting_are_parts_of_the_request(traced: Traced) -> None:
    """A slow upload and a slow store can be told from a slow job."""
    _, span = traced.request("POST", "/v1/detect", **detect())
    parts = [part.name for part in traced.gathered.all() if parent_of(part) == place_of(span)]
    assert parts == ["receive images", "submit job"]


def test_a_client_that_samples_nothing_is_obeyed(traced: Traced) -> None:
    """Of a request whose client does not sample there is no span, and its job carries none."""
    before = len(traced.gathered.all())
    job = traced.world.http.post("/v1/detect", **detect(traceparent=UNSAMPLED)).json()
    assert traced.job(job["id"]).traceparent == ""
    assert len(traced.gathered.all()) == before


def test_a_refusal_tells_its_code(traced: Traced) -> None:
    """A request that is refused tells the problem's code; that is no error of the server's."""
    refused, span = traced.request("POST", "/v1/detect", content=b"no image", headers={"content-type": "image/jpeg"})
    assert about(span)["tenfold.error.code"] == refused["code"] == "unsupported_image_format"
    assert about(span)["http.response.status_code"] == 415
    assert span.status.status_code.name == "UNSET"


def test_what_machines_ask_all_the_time_is_not_told(traced: Traced) -> None:
    """Health checks and metrics leave no spans."""
    before = len(traced.gathered.all())
    for path in ("/healthz", "/readyz", "/metrics"):
        assert traced.world.http.get(path).status_code == 200
    traced.request("GET", "/v1/models")
    assert len(traced.gathered.all()) == before + 1


def linked(span: ReadableSpan) -> list[Place]:
    return [Place(link.context.trace_id, link.context.span_id) for link in span.links]


def span_of(job: Submission) -> Place:
    request = read(job.traceparent)
    assert request is not None
    return Place(request.trace_id, job_span_id(job.job_id))


def ask_again(traced: Traced, job: dict[str, Any]) -> ReadableSpan:
    again, span = traced.request("POST", "/v1/detect", **detect(**{"Idempotency-Key": "again"}))
    assert again["id"] == job["id"]
    return span


def add_a_part(traced: Traced, job: dict[str, Any]) -> ReadableSpan:
    _, span = traced.request("POST", f"{job['links']['self']}/images", **detect())
    return span


@pytest.mark.parametrize(
    ("path", "headers", "later"),
    [("/v1/detect", {"Idempotency-Key": "again"}, ask_again), ("/v1/jobs?open=1", {}, add_a_part)],
)
def test_what_comes_later_for_a_job_links_to_it(
    traced: Traced, path: str, headers: dict[str, str], later: Callable[[Traced, dict[str, Any]], ReadableSpan]
) -> None:
    """A request sent again, and a part for an open job, have traces of their own that lead to the job's."""
    job, first = traced.request("POST", path, **detect(**headers))
    span = later(traced, job)
    assert place_of(span).trace_id != place_of(first).trace_id
    assert linked(span) == [span_of(traced.job(job["id"]))]
    assert about(span)["tenfold.job.id"] == job["id"]
