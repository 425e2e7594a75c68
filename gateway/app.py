"""The application: routes, problem documents, and the one task that listens for changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway import api, problems
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.dependencies import Gateway
from gateway.envelope import Envelope
from gateway.heads import Heads
from gateway.openapi import describe_problems
from gateway.shortcut import Shortcut
from tenfold import __version__
from tenfold.settings import Settings

DESCRIPTION = """\
Image inference that stays fair under mixed load. Send one photo or ten thousand: `POST /v1/detect` waits for boxes,
`POST /v1/jobs` takes a batch and answers at once.

Every error is a problem document (RFC 9457) with a stable `code`; every answer carries `X-Request-Id`.
"""


def create_app(settings: Settings, tracing: Tracing = UNTRACED) -> FastAPI:
    """The gateway as an ASGI application. Nothing is connected before its first request or its lifespan.

    Raises:
        SettingsError: the settings lack a Redis URL, or hold a key that cannot be read.
    """
    gateway = Gateway.of(settings, tracing)
    app = FastAPI(
        title="Tenfold",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        telemetry=tracing.telemetry,
    )
    app.state.gateway = gateway
    described = app.openapi
    app.openapi = lambda: describe_problems(described())  # type: ignore[method-assign]  # as FastAPI's guide does
    app.include_router(api.router)
    for kind in (HTTPException, RequestValidationError, *problems.STATUS):
        app.add_exception_handler(kind, _problem)
    app.add_middleware(Shortcut)
    app.add_middleware(Heads)
    app.add_middleware(Envelope, metrics=gateway.metrics, tracing=tracing)
    return app


async def _problem(request: Request, error: Exception) -> Response:
    return problems.answer(request, error)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    listening = asyncio.create_task(gateway.changes.listen(), name="changes")
    try:
        yield
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await gateway.redis.aclose()
