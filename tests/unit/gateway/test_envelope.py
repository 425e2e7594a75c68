"""What becomes of errors that no route caught."""

import asyncio
import logging
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.envelope import Envelope
from gateway.metrics import Metrics

SCOPE = {"type": "http", "method": "GET", "path": "/v1/jobs/j/events", "headers": []}


@pytest.mark.parametrize(("error", "is_bug"), [(RedisConnectionError("Redis is away"), False), (KeyError("x"), True)])
def test_only_a_bug_is_logged_with_its_trace(error: Exception, is_bug: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Of an outage in the middle of a stream, which ends all streams at once, a line each is enough."""

    async def breaks_off(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    async def nothing(*_: Any) -> Any:
        return {}

    asyncio.run(Envelope(breaks_off, Metrics())(dict(SCOPE), nothing, nothing))
    (told,) = [record for record in caplog.records if record.name == "gateway.envelope"]
    assert (told.exc_info is not None, told.levelno) == (is_bug, logging.ERROR if is_bug else logging.WARNING)
    assert is_bug or "Redis is away" in told.message
