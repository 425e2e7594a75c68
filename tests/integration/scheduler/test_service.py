"""The scheduler's loop on a real Redis, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
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


class Running:
    """A scheduler that serves, in a thread."""

    def __init__(self, client: Any) -> None:
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=build(client, Settings(), self.stopped).run, daemon=True)
        self.thread.start()

    @property
    def lives(self) -> bool:
        return self.thread.is_alive()

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join(10)


@pytest.fixture
def start(client: Any) -> Iterator[Callable[[], Running]]:
    """Starts schedulers, and stops them in the end."""
    started: list[Running] = []

    def one() -> Running:
        started.append(Running(client))
        return started[-1]

    yield one
    for running in started:
        running.stop()


def leads(client: Any) -> bytes | None:
    """The token of who leads and has told of it."""
    return client.get(KEYS.leader) if client.exists(KEYS.status) else None


def test_what_cannot_be_read_is_passed_over(client: Any, start: Callable[[], Running]) -> None:
    """A job, a batch and a worker of another version keep no scheduler from leading."""
    strange = b'{"v":2,"id":"x"}'
    client.zadd(KEYS.active, {"x": 1})
    client.hset(KEYS.job("x"), mapping={"submission": strange, "total": 1, "state": "queued"})
    client.hset(KEYS.batches, "000001-000000001", strange)
    client.hset(KEYS.workers, "w", strange)
    client.zadd(KEYS.beats, {"w": int(client.time()[0]) * 1000 + 60_000})
    scheduler = start()
    wait_for(lambda: leads(client) or not scheduler.lives)
    told = client.get(KEYS.status)
    wait_for(lambda: client.get(KEYS.status) != told or not scheduler.lives)
    assert scheduler.lives


def test_a_redis_that_refuses_for_a_while_is_waited_out(client: Any, start: Callable[[], Running]) -> None:
    """Full memory ends no scheduler: it tries on, and leads again once there is room."""
    scheduler = start()
    wait_for(lambda: leads(client))
    before = leads(client)
    client.config_set("maxmemory", "1mb")
    wait_for(lambda: not leads(client))
    assert scheduler.lives
    client.config_set("maxmemory", "0")
    wait_for(lambda: leads(client))
    assert leads(client) != before


def test_a_leader_that_stops_is_followed_at_once(client: Any, start: Callable[[], Running]) -> None:
    """It gives the lead up, so that nothing waits for its lease to run out; the next one has a later token."""
    leader = start()
    wait_for(lambda: leads(client))
    before = client.get(KEYS.leader)
    start()
    leader.stop()
    assert client.get(KEYS.leader) != before
    wait_for(lambda: client.get(KEYS.leader))
    assert int(client.get(KEYS.leader)) > int(before)


def test_a_leader_that_was_overtaken_stands_by(
    client: Any, start: Callable[[], Running], caplog: pytest.LogCaptureFixture
) -> None:
    """Where another leads it waits, and leaves that one be; it leads again once that one is gone."""
    scheduler = start()
    wait_for(lambda: leads(client))
    client.set(KEYS.leader, "another")
    wait_for(lambda: "standing by" in caplog.text)
    assert scheduler.lives
    assert client.get(KEYS.leader) == b"another"
    client.delete(KEYS.leader)
    wait_for(lambda: leads(client))
