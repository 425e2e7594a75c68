"""The scheduler's loop on a real Redis, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from scheduler.__main__ import build
from tenfold.settings import Settings
from tenfold.store.connection import connect
from tenfold.store.keys import Keys
from tests.integration.waiting import wait_for

KEYS = Keys()


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """A client of an empty private Redis."""
    with connect(redis_url) as client:
        yield client
        client.config_set("maxmemory", "0")


@pytest.fixture
def scheduler(client: Any) -> Iterator[threading.Thread]:
    """A scheduler that serves."""
    stopped = threading.Event()
    thread = threading.Thread(target=build(client, Settings(), stopped).run, daemon=True)
    thread.start()
    yield thread
    stopped.set()
    thread.join(10)


def leads(client: Any) -> bytes | None:
    """The token of who leads and has told of it."""
    return client.get(KEYS.leader) if client.exists(KEYS.status) else None


def test_what_cannot_be_read_is_passed_over(client: Any, redis_url: str) -> None:
    """A job, a batch and a worker of another version keep no scheduler from leading."""
    strange = b'{"v":2,"id":"x"}'
    client.zadd(KEYS.active, {"x": 1})
    client.hset(KEYS.job("x"), mapping={"submission": strange, "total": 1, "state": "queued"})
    client.hset(KEYS.batches, "000001-000000001", strange)
    client.hset(KEYS.workers, "w", strange)
    client.zadd(KEYS.beats, {"w": int(client.time()[0]) * 1000 + 60_000})
    stopped = threading.Event()
    thread = threading.Thread(target=build(client, Settings(), stopped).run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: leads(client) or not thread.is_alive())
        first = client.get(KEYS.status)
        wait_for(lambda: client.get(KEYS.status) != first or not thread.is_alive())
        assert thread.is_alive()
    finally:
        stopped.set()
        thread.join(10)


def test_a_redis_that_refuses_for_a_while_is_waited_out(client: Any, scheduler: threading.Thread) -> None:
    """Full memory ends no scheduler: it tries on, and leads again once there is room."""
    wait_for(lambda: leads(client))
    before = leads(client)
    client.config_set("maxmemory", "1mb")
    wait_for(lambda: not leads(client))
    assert scheduler.is_alive()
    client.config_set("maxmemory", "0")
    wait_for(lambda: leads(client))
    assert leads(client) != before
