import contextlib
import http.client
import logging
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway import schemas
from tenfold.redis_server import RedisServer
from tenfold.settings import Settings
from tests.integration.gateway.gateway_world import World, image, running_gateway
from tests.integration.waiting import wait_for


def test_what_the_system_shows_is_what_its_pages_say(world: World) -> None:
    """Models, workers and queues answer in the shapes of the API's description."""
    models = schemas.ModelsAnswer.model_validate(world.http.get("/v1/models").json())
    assert [(model.name, model.default, model.workers) for model in models.models] == [("toy", True, 1)]
    workers = schemas.WorkersAnswer.model_validate(world.http.get("/v1/workers").json())
    assert [(worker.name, worker.state, worker.batches) for worker in workers.workers] == [("w1", "idle", [])]
    queue = {"name": "tenfold:toy@64:0", "lane": "toy@64", "level": 0, "waiting_items": 3, "oldest_wait_ms": 1.5}
    world.backend.scheduler.publish({"at_ms": 0, "leader": "1", "drain_items_per_s": 2.5, "queues": [queue]}, {})
    queues = schemas.QueuesAnswer.model_validate(world.http.get("/v1/queues").json())
    assert queues.queues[0].waiting_items == 3
    assert queues.drain_items_per_s == 2.5
    assert (queues.values.name, queues.values.queued, queues.values.workers) == ("tenfold:values", 0, 0)


def test_a_place_in_the_queue_is_what_the_scheduler_told(world: World) -> None:
    """Position and expected end are shown while a job waits, and null once it is done."""
    world.backend.let.clear()
    job = world.http.post("/v1/jobs", files={"files": ("a.jpg", image())}).json()
    world.backend.scheduler.publish({"queues": []}, {job["id"]: (7, 1234.56)})
    waiting = world.http.get(job["links"]["self"]).json()
    assert (waiting["position"], waiting["eta_ms"]) == (7, 1234.6)
    world.backend.let.set()
    wait_for(lambda: world.http.get(job["links"]["self"]).json()["finished_at"])
    assert world.http.get(job["links"]["self"]).json()["position"] is None


def test_metrics_count_requests_by_route_and_show_the_queues(world: World) -> None:
    """Routes are templates, refusals have codes, depths have lane and level."""
    world.http.get("/v1/jobs/abc")
    queue = {"lane": "toy@64", "level": 1, "waiting_items": 3, "oldest_wait_ms": 1500}
    world.backend.scheduler.publish({"at_ms": 0, "queues": [queue]}, {})
    text = world.http.get("/metrics").text
    assert 'tenfold_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}' in text
    assert 'tenfold_http_refusals_total{code="job_not_found",status="404"}' in text
    assert 'tenfold_queue_items{lane="toy@64",level="1"} 3.0' in text
    assert 'tenfold_queue_oldest_seconds{lane="toy@64",level="1"} 1.5' in text
    assert 'tenfold_workers{device="cpu"} 1.0' in text
    assert "tenfold_redis_up 1.0" in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/docs/nope.js", 404),
        ("GET", "/v1/jobs/%ff", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/detect", 405),
        ("PUT", "/docs/swagger-ui.css", 405),
        ("TRACE", "/v1/jobs", 405),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/v1/jobs?state=done", 422),
        ("GET", "/v1/jobs/x/images/first", 422),
    ],
)
def test_every_error_is_a_problem_document(world: World, method: str, path: str, status: int) -> None:
    """Also what the router and the validation refuse."""
    reply = world.http.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    schemas.ProblemAnswer.model_validate(reply.json())
    assert reply.json()["status"] == status


def exchange(world: World, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """What comes back for bytes that no HTTP client would send, until the line is closed."""
    where = urlsplit(world.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        with contextlib.suppress(OSError):  # it may be closed while we still send
            line.sendall(sent)
        reply = http.client.HTTPResponse(line)
        reply.begin()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"what is this\r\n\r\n", 400, "malformed_request"),
        (b"FETCH /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300_000, 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 50_000, 431, "head_too_large"),
    ],
)
def test_what_is_no_request_is_a_problem_document_too(world: World, sent: bytes, status: int, code: str) -> None:
    """Also where nothing of it reaches the application; and a head that goes on and on is cut off, not kept."""
    told, headers, body = exchange(world, sent)
    assert (told, headers["content-type"]) == (status, "application/problem+json")
    problem = schemas.ProblemAnswer.model_validate_json(body)
    assert (problem.status, problem.code, problem.request_id) == (status, code, headers["x-request-id"])


def test_a_large_body_is_no_large_head(world: World) -> None:
    """What follows the headers does not count as head, nor does one request's head on the next one of its line."""
    for _ in range(4):
        headers = {"content-type": "image/jpeg", "x": "a" * 90_000}
        reply = world.http.post("/v1/detect", content=image(), headers=headers)
        assert reply.status_code == 200
    assert world.http.post("/v1/jobs", files={"files": ("a.bmp", image((400, 400), "BMP"))}).status_code == 202


def test_the_methods_of_a_path_are_all_named(world: World) -> None:
    """A 405 says what would be taken."""
    assert world.http.put("/v1/jobs").headers["allow"] == "GET, HEAD, POST"
    assert world.http.put("/v1/jobs/abc").headers["allow"] == "GET, HEAD, DELETE"


def test_a_sane_request_id_is_taken_over_and_a_strange_one_is_not(world: World) -> None:
    """Every answer has an id; nobody writes into our log with theirs."""
    assert world.http.get("/healthz", headers={"x-request-id": "abc-123"}).headers["x-request-id"] == "abc-123"
    strange = world.http.get("/healthz", headers={"x-request-id": "a b {}"}).headers["x-request-id"]
    assert strange != "a b {}"
    assert len(strange) == 16


def test_answers_tell_nothing_of_the_server_and_are_not_sniffed(world: World) -> None:
    """No server header; nosniff everywhere."""
    reply = world.http.get("/v1/models")
    assert "server" not in reply.headers
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_worker_that_beats_no_more_is_missing(world: World) -> None:
    """Where no worker that holds the model lives, the service is not ready, and says which."""
    assert world.http.get("/readyz").status_code == 200
    key = "tenfold:beats"
    beat = world.backend.client.zrange(key, 0, -1, withscores=True)
    world.backend.client.zadd(key, {"w1": 0})
    reply = world.http.get("/readyz")
    assert (reply.status_code, reply.json()["missing"]) == (503, ["no living worker has the model 'toy'"])
    world.backend.client.zadd(key, dict(beat))


def test_the_pages_describe_every_route_and_its_problems(world: World) -> None:
    """Each operation has a summary, a description and an answer; uploads show their two kinds of body."""
    api: dict[str, Any] = world.http.get("/openapi.json").json()
    operations = [operation for path in api["paths"].values() for operation in path.values()]
    assert all(operation.get("summary") and operation.get("description") for operation in operations)
    detect = api["paths"]["/v1/detect"]["post"]
    assert {"multipart/form-data", "image/jpeg"} <= set(detect["requestBody"]["content"])
    assert {"200", "202", "400", "413", "415", "422", "429", "503"} <= set(detect["responses"])
    text = api["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert list(text) == ["text/plain"]


def test_a_gateway_outlives_its_redis(tmp_path: Path) -> None:
    """Without Redis it lives, says that it is not ready, refuses at once, and serves again when Redis is back; what
    else it needs to be ready it then names.
    """
    server = RedisServer(tmp_path)
    with (
        running_gateway(server.url, Settings(redis_url=server.url, model=("toy",))) as (_, address),
        httpx.Client(base_url=address) as http,
    ):
        assert http.get("/healthz").status_code == 200
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["missing"]) == (503, ["Redis does not answer"])
        for reply in (
            http.get("/v1/jobs"),
            http.get("/v1/models"),
            http.post("/v1/detect", content=image(), headers={"content-type": "image/jpeg"}),
        ):
            assert (reply.status_code, reply.json()["code"]) == (503, "store_unavailable")
            assert reply.headers["retry-after"] == "1"
        assert "tenfold_redis_up 0.0" in http.get("/metrics").text
        server.start()
        try:
            assert http.get("/v1/jobs").json() == {"jobs": [], "next_cursor": None}
            missing = ["no scheduler leads", "no worker has announced the model 'toy'"]
            assert http.get("/readyz").json()["missing"] == missing
        finally:
            server.stop()
        assert http.get("/v1/jobs").status_code == 503


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_apis_pages_need_no_other_server(world: World, page: str) -> None:
    """They and what they are made of come from here, under a policy that allows nothing else."""
    told = world.http.get(page)
    assert told.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in told.headers["content-security-policy"]
    assert "https://" not in told.text
    parts = re.findall(r'(?:src|href)="([^"]+)"', told.text)
    assert parts
    for part in parts:
        assert world.http.get(f"/{part}").status_code == 200


def test_the_dashboard_needs_no_other_server(world: World) -> None:
    """The page and what it is made of come from here, under a policy that allows nothing else."""
    page = world.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page.text)
    assert len(set(parts)) == 3
    for part in parts:
        content = world.http.get(f"/{part}")
        assert content.status_code == 200
        assert not re.search(r"https?://(?!www\.w3\.org/)", content.text)
    assert not re.search(r"https?://|<script>|style=", page.text)
    assert world.http.get("/dashboard/dashboard.py").status_code == 404


def test_a_requests_line_names_its_job(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The one that it made, and the one in its path, found or not; runs of values too."""
    caplog.set_level(logging.DEBUG, "gateway.access")
    mine = {"x-request-id": "names-its-job"}  # the line of the test before this one may come late
    job = world.http.post("/v1/jobs", files={"files": ("a.jpg", image())}, headers=mine).json()["id"]
    run = world.http.post("/v1/values/generate", json={"count": 1, "within_s": 0.1}, headers=mine).json()["id"]
    for path in (f"/v1/jobs/{job}/results", "/v1/jobs/nobody/trace", f"/v1/values/runs/{run}", "/v1/jobs?limit=1"):
        world.http.get(path, headers=mine)
    world.http.get("/healthz")  # the line before it is written by now
    lines = [vars(record) for record in caplog.records if vars(record).get("request_id") == mine["x-request-id"]]
    told = [(line.get("job"), line.get("run")) for line in lines]
    assert told == [(job, None), (None, run), (job, None), ("nobody", None), (None, run), (None, None)]


def test_what_dashboards_read_each_second_fills_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Looks are told at level debug; a refused one, and what does something, at level info."""
    world.http.get("/healthz")  # the line of the test before is written by now
    caplog.set_level(logging.INFO, "gateway.access")
    for path in ("/", "/v1/queues", "/v1/jobs", "/readyz"):
        assert world.http.get(path).status_code == 200
    assert caplog.messages == []
    assert world.http.get("/v1/jobs/nosuchjob").status_code == 404
    assert world.http.get("/v1/values/total").status_code == 200
    world.http.get("/healthz")  # the line before it is written by now
    assert [message.split(" in ")[0] for message in caplog.messages] == [
        "GET '/v1/jobs/nosuchjob' 404",
        "GET '/v1/values/total' 200",
    ]
