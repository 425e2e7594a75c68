"""The shortcut to the busiest route answers as the framework's way to it does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
import pytest

from gateway.app import create_app
from tenfold.settings import Settings

SETTINGS = Settings(redis_url="unix:///nowhere")
IMAGE = {"Content-Type": "image/jpeg"}
OF_ONE_REQUEST = {"request_id", "instance"}


def post(settings: Settings, path: str, headers: Mapping[str, str], *, root_path: str = "", routes: bool = True) -> str:
    """What is answered, and how it was counted, less what is each request's own."""

    async def run() -> str:
        app = create_app(settings)
        if not routes:
            app.router.routes.clear()
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            reply = await client.post(root_path + path, content=b"no image", headers=headers)
        body = {name: value for name, value in reply.json().items() if name not in OF_ONE_REQUEST}
        counted = [
            sample.labels
            for family in app.state.gateway.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "tenfold_http_requests_total"
        ]
        told = {name: value for name, value in reply.headers.items() if name not in {"x-request-id", "content-length"}}
        return f"{reply.status_code} {body} {told} {counted}"

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "path", "headers", "says"),
    [
        (SETTINGS, "/v1/detect", {"Content-Type": "text/plain"}, "unsupported_media_type"),
        (SETTINGS, "/v1/detect?confidence=1", IMAGE, "unknown_field"),
        (SETTINGS, "/v1/detect", IMAGE, "store_unavailable"),
        (Settings(redis_url="unix:///nowhere", api_keys=("a:b",)), "/v1/detect", IMAGE, "WWW-Authenticate"),
    ],
)
def test_it_answers_as_the_route_does(settings: Settings, path: str, headers: Mapping[str, str], says: str) -> None:
    """Problems, headers and counts are those of the same request below a proxy's path, which goes the long way."""
    shortly = post(settings, path, headers)
    assert shortly == post(settings, path, headers, root_path="/below")
    assert says.lower() in shortly.lower()


def test_it_needs_no_routing() -> None:
    """The request is answered where the framework has no route left to match."""
    assert "unsupported_media_type" in post(SETTINGS, "/v1/detect", {"Content-Type": "text/plain"}, routes=False)
