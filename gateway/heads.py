"""``HEAD`` wherever ``GET`` is (RFC 9110, 9.1), for all routes at once: they and their description know ``GET``."""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """ASGI middleware: a ``HEAD`` is answered with the head of its ``GET``, and the work ends there.

    A body that is short is made all the same, for its length; of one that is streamed not a piece is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope.get("method") != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            # The server tells by it that no body comes, and the log what was asked.
            scope["method"] = "HEAD"
            await send(message)
            await send({"type": "http.response.body"})
            raise _Answered

        # Not in a copy: what is learned inside about the request, its route first, is told outside.
        scope["method"] = "GET"
        try:
            with contextlib.suppress(_Answered):
                await self.app(scope, receive, send_head)
        finally:
            scope["method"] = "HEAD"


class _Answered(Exception):
    """The head is sent, and nobody wants the rest."""
