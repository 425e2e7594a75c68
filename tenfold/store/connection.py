"""Connections to Redis with timeouts and retries that suit what they carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import redis.asyncio
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from tenfold.store.line import LinedRedis

# redis-py types each reply as a union over both decoding modes. Ours never decode; the union would need a cast a line.
BytesRedis: TypeAlias = Any
AsyncBytesRedis: TypeAlias = Any

BLOCK_S = 1.0
"""The longest that a service blocks in one read: a stop is noticed within it."""

SOCKET_TIMEOUT_S = 15.0
"""Well above every blocking read; redis-py's own default of 5 s is not."""

ANSWER_S = 5.0
"""How long a gateway waits for an answer."""

_RETRIED = [RedisConnectionError, RedisTimeoutError]


def connect(url: str) -> BytesRedis:
    """A client for the scheduler and the workers: bytes in, bytes out, one lost connection hidden.

    All verbs may be sent twice: a doubled one changes nothing. But for a claim, which takes another batch: the first is
    left to its lease then.
    """
    return Redis.from_url(url, **_options(Retry(ExponentialBackoff(cap=0.5, base=0.05), 2), SOCKET_TIMEOUT_S))


def connect_async(url: str, *, max_connections: int = 32) -> AsyncBytesRedis:
    """A client for the gateway: it fails fast, since a person waits for the answer.

    Short verbs share one line. What is long, and commands that are no verbs, take a connection each; beyond
    ``max_connections`` they wait for their turn: a pool that does not wait refuses a crowd as if Redis were gone, and a
    connection for each request would cost more than it saves. Where Redis is gone, the turns come quickly.
    """
    retry = redis.asyncio.retry.Retry(ExponentialBackoff(cap=0.1, base=0.02), 1)
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=max_connections, timeout=30, **_options(retry, ANSWER_S)
    )
    return LinedRedis.of(pool, ANSWER_S)


def _options(retry: Any, timeout_s: float) -> Mapping[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": 2.0,
        "health_check_interval": 0,
        "retry": retry,
        "retry_on_error": _RETRIED,
        "decode_responses": False,
    }
