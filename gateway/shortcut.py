"""The busiest route, answered without the framework's way to it.

Matching every route, exit stacks and solving dependencies by their declarations took a quarter of the gateway's
processor time for an image. The route itself stands where all stand (`endpoints/detect.py`), and so does its
description.
"""

from typing import Final, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import problems
from gateway.dependencies import caller_of, gateway_of, jobs_of
from gateway.endpoints import detect

_ROUTE: Final = detect.router.routes[0]
_HANDLED: Final = cast("tuple[type[Exception], ...]", (HTTPException, *problems.STATUS))


class Shortcut:
    """ASGI middleware: ``POST /v1/detect`` ends here, all else goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # Below a proxy's path the framework knows best what is meant.
        if scope.get("method") != "POST" or scope["path"] != detect.PATH or scope.get("root_path"):
            await self.app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        request = Request(scope, receive, send)
        try:
            caller = await caller_of(request)
            answer = await detect.detect(request, await gateway_of(request), caller, await jobs_of(request))
        except _HANDLED as error:
            answer = problems.answer(request, error)
        await answer(scope, receive, send)
