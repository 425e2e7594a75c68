"""HEAD is answered with the head of GET, by routes that only know GET."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from gateway.app import create_app
from gateway.heads import Heads
from tenfold.settings import Settings

SETTINGS = Settings(redis_url="unix:///nowhere")
OF_ONE_REQUEST = {"x-request-id", "date"}


def ask(app: object, method: str, path: str) -> httpx.Response:
    """What the application answers."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # an ASGI application, whoever made it
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path)

    return asyncio.run(run())


def head_of(reply: httpx.Response) -> tuple[int, dict[str, str]]:
    """Status and headers, less what is each request's own."""
    return reply.status_code, {name: value for name, value in reply.headers.items() if name not in OF_ONE_REQUEST}


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/docs/redoc.standalone.js", "/openapi.json", "/v1/queues", "/nope"]
)
def test_it_is_the_head_of_get(path: str) -> None:
    """Pages, probes, a store that is down, a path with nothing at it: status and headers are the same, and no body."""
    app = create_app(SETTINGS)
    told = ask(app, "HEAD", path)
    assert head_of(told) == head_of(ask(app, "GET", path))
    assert not told.content


def test_it_is_counted_as_what_it_was() -> None:
    """Metrics tell HEAD from GET, and know its route."""
    app = create_app(SETTINGS)
    ask(app, "HEAD", "/healthz")
    told = app.state.gateway.metrics.registry
    labels = {"method": "HEAD", "route": "/healthz", "status": "200"}
    assert told.get_sample_value("tenfold_http_requests_total", labels) == 1


def test_a_stream_is_not_begun() -> None:
    """Not even its first piece is made, and what asked for it is not waited for."""
    begun = []

    async def pieces() -> AsyncIterator[bytes]:
        begun.append(1)
        while True:
            yield b"x"

    async def stream(request: Request) -> StreamingResponse:
        assert request.method == "GET"
        return StreamingResponse(pieces(), media_type="text/event-stream")

    told = ask(Heads(Starlette(routes=[Route("/", stream)])), "HEAD", "/")
    assert (told.status_code, told.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert not begun


def test_where_there_is_no_get_there_is_no_head() -> None:
    """It is refused as GET is, with the methods that there are; where GET is one of them, HEAD is another."""
    app = create_app(SETTINGS)
    refused = ask(app, "HEAD", "/v1/detect")
    assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "POST", b"")
    assert ask(app, "PUT", "/v1/jobs").headers["allow"] == "GET, HEAD, POST"


def test_the_description_does_not_list_it() -> None:
    """It says nothing that GET does not say already."""
    paths = ask(create_app(SETTINGS), "GET", "/openapi.json").json()["paths"]
    assert not [path for path, operations in paths.items() if "head" in operations]
