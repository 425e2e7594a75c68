"""The line that verbs share: each gets its own answer, whatever becomes of the others and of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis as redis_py
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tenfold.store.connection import connect_async
from tenfold.store.line import LINE_BYTES_MAX, Line

ECHO = "return ARGV[1]"


def with_line(url: str, use: Callable[[Line], Awaitable[Any]], timeout_s: float = 5.0) -> Any:
    async def run() -> Any:
        async with connect_async(url) as client:
            line = Line(client.connection_pool, timeout_s)
            try:
                return await use(line)
            finally:
                await line.close()

    return asyncio.run(run())


def with_verb(redis: redis_py.Redis, url: str, use: Callable[[Callable[..., Any]], Awaitable[Any]]) -> Any:
    sha = redis.script_load(ECHO)

    async def run() -> Any:
        async with connect_async(url) as client:
            return await use(lambda *args: client.evalsha(sha, 0, *args))

    return asyncio.run(run())


def normal_connections(redis: redis_py.Redis) -> int:
    return len([client for client in redis.client_list() if client["lib-name"]]) - 1


def test_each_asker_gets_its_own_answer(redis: redis_py.Redis, redis_url: str) -> None:
    """A hundred verbs at once are answered each with its own, all on one connection."""

    async def use(echo: Callable[..., Any]) -> tuple[list[bytes], int]:
        said = await asyncio.gather(*(echo(f"{number}") for number in range(100)))
        return said, normal_connections(redis)

    said, connections = with_verb(redis, redis_url, use)
    assert said == [b"%d" % number for number in range(100)]
    assert connections == 1


def test_long_verb_has_its_own_connection(redis: redis_py.Redis, redis_url: str) -> None:
    """What carries more than a line may does not go through it."""

    async def use(echo: Callable[..., Any]) -> int:
        await echo("short")
        await echo(b"x" * (LINE_BYTES_MAX + 1))
        return normal_connections(redis)

    assert with_verb(redis, redis_url, use) == 2


def test_broken_line_is_hidden(redis: redis_py.Redis, redis_url: str) -> None:
    """Verbs are answered although the connection that they share was cut a moment ago."""

    async def use(echo: Callable[..., Any]) -> list[bytes]:
        await echo("before")
        redis.client_kill_filter(_type="normal", skipme=True)
        return list(await asyncio.gather(*(echo(f"{number}") for number in range(10))))

    assert with_verb(redis, redis_url, use) == [b"%d" % number for number in range(10)]


def test_line_opens_again(redis: redis_py.Redis, redis_url: str) -> None:
    """A line whose connection was cut says so once, and takes another for the next question."""

    async def use(line: Line) -> bytes:
        await line.ask(("ECHO", "before"))
        redis.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(RedisConnectionError):
            await line.ask(("BLPOP", "nothing", 1))
        answer: bytes = await line.ask(("ECHO", "after"))
        return answer

    assert with_line(redis_url, use) == b"after"


def test_refusal_is_for_its_asker_alone(redis_url: str) -> None:
    """A command that Redis refuses raises where it was asked, and its neighbours have their answers."""

    async def use(line: Line) -> list[Any]:
        asked = (line.ask(("ECHO", "a")), line.ask(("NO-SUCH",)), line.ask(("ECHO", "b")))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    before, refused, after = with_line(redis_url, use)
    assert (before, after) == (b"a", b"b")
    assert isinstance(refused, ResponseError)


def test_asker_that_left_takes_no_answer_along(redis_url: str) -> None:
    """An answer that nobody waits for any more is dropped, and does not go to the next asker."""

    async def use(line: Line) -> bytes:
        await line.ask(("ECHO", "open"))
        leaving = asyncio.ensure_future(line.ask(("ECHO", "left")))
        await asyncio.sleep(0)  # one turn of the loop, in which it asks
        leaving.cancel()
        answer: bytes = await line.ask(("ECHO", "stayed"))
        return answer

    assert with_line(redis_url, use) == b"stayed"


def test_silence_ends_the_line(redis_url: str) -> None:
    """Where Redis says nothing for too long, all who wait are told, and the line opens again afterwards."""

    async def use(line: Line) -> tuple[list[Any], bytes]:
        asked = (line.ask(("BLPOP", "nothing", 60)), line.ask(("ECHO", "behind it")))
        told = await asyncio.gather(*asked, return_exceptions=True)
        answer: bytes = await line.ask(("ECHO", "again"))
        return list(told), answer

    told, answer = with_line(redis_url, use, timeout_s=0.2)
    assert [type(error) for error in told] == [RedisTimeoutError] * 2
    assert answer == b"again"


def test_close_tells_who_waits(redis_url: str) -> None:
    """Closing a line ends the wait of who asked on it."""

    async def use(line: Line) -> Any:
        await line.ask(("ECHO", "open"))
        asking = asyncio.ensure_future(line.ask(("BLPOP", "nothing", 60)))
        await asyncio.sleep(0)  # one turn of the loop, in which it asks
        await line.close()
        return await asyncio.gather(asking, return_exceptions=True)

    (told,) = with_line(redis_url, use)
    assert isinstance(told, RedisConnectionError)
