"""What the routes read of a request beyond its fields."""

from fastapi import Request

from gateway.crud.bodies import Sent
from gateway.crud.clients import Client


def sent_by(request: Request, client: Client, *, archives: bool = False, may_open: bool = False) -> Sent:
    """The request as an upload; its body has not been read.

    With ``archives`` it may be an archive, with ``may_open`` it may ask for a job that stays open.
    """
    length = request.headers.get("content-length", "")
    return Sent(
        client,
        request.headers.get("content-type", ""),
        int(length) if length.isascii() and length.isdigit() else None,
        request.query_params.multi_items(),
        request.stream(),
        route=request.url.path,
        idempotency_key=request.headers.get("idempotency-key"),
        archives=archives,
        may_open=may_open,
    )


async def gone_away(request: Request) -> None:
    """Return when the client has gone; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
