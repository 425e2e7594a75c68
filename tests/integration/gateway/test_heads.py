"""HEAD of each route that can be read, over a real connection."""

import socket
from urllib.parse import urlsplit

from tests.integration.gateway.gateway_world import World, image
from tests.integration.waiting import wait_for

OF_ONE_REQUEST = {"x-request-id", "date", "transfer-encoding"}


def test_every_route_that_can_be_read_has_a_head(world: World) -> None:
    """Status and headers are those of GET, but for how long a body that is streamed will be."""
    job = world.http.post("/v1/jobs", files={"files": ("a.jpg", image())}).json()["id"]
    wait_for(lambda: world.http.get(f"/v1/jobs/{job}").json()["finished_at"])
    world.http.put("/v1/values/k", json={"value": "v"})
    run = world.http.post("/v1/values/generate", json={"count": 1, "within_s": 0.1}).json()["id"]
    described = world.http.get("/openapi.json").json()["paths"]
    names = {"job_id": job, "index": 0, "run_id": run, "key": "k", "name": "toy"}
    paths = [path.format_map(names) for path, operations in described.items() if "get" in operations]
    assert len(paths) > 15
    forms = [f"/v1/jobs/{job}/results?format={form}" for form in ("ndjson", "csv", "coco", "yolo")]
    for path in [*paths, *forms, "/", "/docs", "/redoc", "/dashboard/icon.svg"]:
        got, told = world.http.get(path), world.http.head(path)
        assert told.status_code == got.status_code == 200, path
        assert set(told.headers) == set(got.headers) - {"transfer-encoding"}, path
        lengths_differ = path == "/metrics" or path.startswith("/v1/workers")  # each tells of the time it was asked at
        same = set(told.headers) - OF_ONE_REQUEST - ({"content-length"} if lengths_differ else set())
        assert {name: told.headers[name] for name in same} == {name: got.headers[name] for name in same}, path


def test_nobody_streams_for_it_and_its_line_lives_on(world: World) -> None:
    """The head of a running job's events ends at once, with nothing behind it, and the line takes the next request."""
    world.backend.let.clear()
    job = world.http.post("/v1/jobs", files={"files": ("a.jpg", image())}).json()["id"]
    where = urlsplit(world.url)
    first = f"HEAD /v1/jobs/{job}/events HTTP/1.1\r\nHost: a\r\n\r\n"
    second = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall((first + second).encode())
        told = line.makefile("rb").read()
    head, _, rest = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"text/event-stream" in head
    assert rest.startswith(b"HTTP/1.1 200")
    assert rest.endswith(b'{"status":"ok"}')
