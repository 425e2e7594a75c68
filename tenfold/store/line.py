"""One connection that many verbs share: written as they come, answered in their order.

A pool lends each verb a connection and puts a retry and two timers around it, which costs some ten times what the verb
itself does. On a line a verb is one future, and what is asked in one turn of the loop goes out in one write.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import hiredis
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Word = str | bytes | int | float


class Line:
    """A connection for short verbs that do not block: a long one keeps those behind it waiting. For one event loop.

    Args:
        pool: makes its connection, with its address, its user and its encryption.
        timeout_s: an answer that takes longer ends the connection; the next verb opens another.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._opening = asyncio.Lock()
        self._open: _Open | None = None

    async def ask(self, command: Sequence[Word]) -> Any:
        """The reply to ``command``.

        Raises:
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: the line broke, and whether the command ran
                is not known.
            redis.exceptions.ResponseError: Redis refuses it.
        """
        if self._open is None or self._open.broken:
            await self._connect()
        assert self._open is not None
        packed = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub means any length
        return await self._open.ask(packed)

    async def close(self) -> None:
        """Close the connection; what waits for an answer gets a ConnectionError."""
        if self._open is not None:
            await self._open.close()

    async def _connect(self) -> None:
        async with self._opening:
            if self._open is not None and not self._open.broken:
                return
            connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            await connection.connect()
            # From here on the time that answers take is this line's to watch, and writing has no time of its own.
            connection.socket_timeout = None
            self._open = _Open(connection, self._timeout_s)


class _Open:
    """An open connection, and who waits for its replies, the first to be answered first."""

    def __init__(self, connection: Any, timeout_s: float) -> None:
        self.broken = False
        self._connection = connection
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._unsent: list[bytes] = []
        self._more = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._end: BaseException = RedisConnectionError("the connection was closed")
        self._serving = asyncio.create_task(self._serve(), name="redis-line")

    async def ask(self, packed: bytes) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((self._loop.time() + self._timeout_s, future))
        self._unsent.append(packed)
        self._more.set()
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout_s, self._look)
        return await future

    async def close(self) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])

    async def _serve(self) -> None:
        parts = [asyncio.create_task(self._write()), asyncio.create_task(self._read())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._end = next(iter(done)).exception() or self._end
        finally:
            for part in parts:
                part.cancel()
            self._break()
            await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            unsent, self._unsent = self._unsent, []
            await self._connection.send_packed_command(unsent, check_health=False)

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as refusal:
                reply = refusal
            _, future = self._waiting.popleft()
            if future.done():  # who asked went away
                continue
            if isinstance(reply, ResponseError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def _look(self) -> None:
        """End the connection where its oldest question waits for too long."""
        self._watch = None
        if not self._waiting or self.broken:
            return
        left_s = self._waiting[0][0] - self._loop.time()
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._look)
            return
        self._end = RedisTimeoutError(f"Redis did not answer within {self._timeout_s} s")
        self._serving.cancel()

    def _break(self) -> None:
        self.broken = True
        if self._watch is not None:
            self._watch.cancel()
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(self._end)
        self._waiting.clear()


LINE_BYTES_MAX = 64 * 1024
"""A verb that carries more has a connection of its own, so that nothing short waits behind it."""


class LinedRedis(redis.asyncio.Redis):
    """A client whose short verbs share a line; all else has the pool's connections."""

    line: Line

    @classmethod
    def of(cls, pool: redis.asyncio.ConnectionPool, timeout_s: float) -> LinedRedis:
        """A client on ``pool``, which it closes; the line's answers may take ``timeout_s``."""
        client = cast("LinedRedis", cls.from_pool(pool))
        client.line = Line(pool, timeout_s)
        return client

    async def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a verb by its hash. One that a broken line lost is sent again: a doubled one changes nothing."""
        if sum(len(word) for word in keys_and_args if isinstance(word, bytes)) <= LINE_BYTES_MAX:
            try:
                return await self.line.ask(("EVALSHA", sha, numkeys, *keys_and_args))
            except (RedisConnectionError, RedisTimeoutError):
                pass
        return await super().evalsha(sha, numkeys, *keys_and_args)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the line and the pool's connections."""
        await self.line.close()
        await super().aclose(close_connection_pool)
