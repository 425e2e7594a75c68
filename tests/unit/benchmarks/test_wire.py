import asyncio

from benchmarks.wire import Connection, Reply, connect, form_of, request_of


async def _served(answers: list[bytes], requests: list[tuple[bytes, bytes]]) -> tuple[list[Reply], list[bytes], bool]:
    """What a connection made of ``answers``, what the server saw, and whether the connection was closed at the end."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            seen.append(head + await reader.readexactly(length))
            writer.write(answer)
        await writer.drain()
        if not answers[-1]:
            writer.close()
        await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection: Connection = await connect("127.0.0.1", server.sockets[0].getsockname()[1])
        replies = [await connection.request(*request) for request in requests]
        closed = connection.closed
        connection.close()
    return replies, seen, closed


def test_two_requests_share_a_connection() -> None:
    """A kept-alive connection carries one exchange after the other, whatever way the body is framed."""
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst",
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n",
    ]
    request = request_of("POST", "/detect", {"Content-Type": "image/jpeg"}, b"pixels")
    replies, seen, _ = asyncio.run(_served(answers, [request, request]))
    assert replies == [Reply(200, b"first"), Reply(503, b"second")]
    assert all(one.startswith(b"POST /detect HTTP/1.1\r\n") and one.endswith(b"\r\n\r\npixels") for one in seen)


def test_a_broken_connection_is_a_reply_of_status_zero() -> None:
    """A server that hangs up costs its request, never the run."""
    request = request_of("GET", "/", {})
    replies, _, closed = asyncio.run(_served([b""], [request, request]))
    assert [reply.status for reply in replies] == [0, 0]
    assert closed


def test_a_form_holds_every_picture_under_its_field() -> None:
    """Multipart as any client sends it."""
    kind, body = form_of("files", [b"one", b"two"])
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == 3
    assert b'name="files"; filename="1.jpg"' in body
    assert body.endswith(b"--" + boundary + b"--\r\n")
