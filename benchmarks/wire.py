"""One kept-alive HTTP/1.1 connection, as little as a load generator needs: what it costs, the server loses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import httptools


@dataclass(frozen=True)
class Reply:
    """A response; ``status`` 0 means that the connection broke."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """Sends one request at a time and parses its response."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._body: list[bytes] = []

    async def request(self, head: bytes, body: bytes) -> Reply:
        """Send a whole request and wait for its response."""
        if self._transport is None or self.closed:
            return Reply(0, b"the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = []
        self._transport.writelines((head, body))
        return await self._waiting

    @property
    def closed(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own kind

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._parser is not None:
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._answer(Reply(0, str(exc or "the server hung up").encode()))

    # The parser's side

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        self._parser = None
        self._answer(Reply(status, b"".join(self._body)))

    def _answer(self, reply: Reply) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)


async def connect(host: str, port: int, source: str = "") -> Connection:
    """A connection from the address ``source``, where given: servers that tell clients by address see another one."""
    local = (source, 0) if source else None
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port, local_addr=local)
    return connection


class Connections:
    """Kept-alive connections to one server, each lent to one request at a time; as many as are needed at once."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """An open connection. Raises OSError where none can be made."""
        # The server hangs up on those that were idle for long.
        self._idle = [one for one in self._idle if not one.closed]
        connection = self._idle.pop() if self._idle else await connect(self._host, self._port)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if not connection.closed:
            self._idle.append(connection)

    def close(self) -> None:
        """Hang up."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def request_of(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[bytes, bytes]:
    """A request's head and body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), body


def form_of(field: str, images: list[bytes]) -> tuple[str, bytes]:
    """A multipart body of ``images`` under one field name, and its content type."""
    boundary = "bench-7d0b1f6a52c94e0c"
    parts = []
    for number, image in enumerate(images):
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{number}.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode()
        )
        parts += [image, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
