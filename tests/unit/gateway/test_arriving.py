"""Bodies that stop coming."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request

from gateway.crud.arriving import in_time
from gateway.crud.values import PutRequest
from gateway.json_bodies import read_json
from tenfold.contract.errors import InvalidRequest

STALL_S = 0.02


async def silent_after(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    await asyncio.Event().wait()


def test_a_body_that_stops_coming_is_given_up() -> None:
    """What has come is passed on; then silence ends it, with a word of its own."""
    got: list[bytes] = []

    async def read() -> None:
        async for chunk in in_time(silent_after(b"a", b"b"), STALL_S):
            got.append(chunk)  # noqa: PERF401 - it ends in the middle

    with pytest.raises(InvalidRequest) as refused:
        asyncio.run(read())
    assert (got, refused.value.code) == ([b"a", b"b"], "upload_stalled")


def test_a_json_body_that_stops_coming_is_given_up_too() -> None:
    """A client that announces a body and sends half of it holds nothing for ever."""
    sent = [{"type": "http.request", "body": b'{"value": ', "more_body": True}]

    async def receive() -> dict[str, Any]:
        if not sent:
            await asyncio.Event().wait()
        return sent.pop()

    request = Request({"type": "http", "method": "PUT", "path": "/", "headers": []}, receive)
    with pytest.raises(InvalidRequest) as refused:
        asyncio.run(read_json(request, PutRequest, 100, stall_s=STALL_S))
    assert refused.value.code == "upload_stalled"
