"""The scheduler's ear: it hears at once, and what it does not hear it waits for no longer than asked."""

from __future__ import annotations

import time

import redis as redis_py

from tenfold.contract.codec import encode_event
from tenfold.contract.events import ValuesRequested, WorkerLeft
from tenfold.store.connection import connect
from tenfold.store.event_reader import EventReader


def add(redis: redis_py.Redis, run_id: str) -> None:
    redis.xadd("events", {"e": encode_event(ValuesRequested(run_id))})


def test_wait_ends_on_time(redis: redis_py.Redis, redis_url: str) -> None:
    """A wait of 5 ms is over long before the 100 ms at which an idle Redis looks at the timeouts of blocked clients."""
    reader = EventReader(connect(redis_url), "events")
    waits_s = []
    for _ in range(10):
        began_s = time.perf_counter()
        assert reader.read(b"0-0", 5) == []
        waits_s.append(time.perf_counter() - began_s)
    reader.close()
    assert 0.005 <= sorted(waits_s)[5] < 0.05


def test_events_come_once_and_in_order(redis: redis_py.Redis, redis_url: str) -> None:
    """Whether it stands waiting or looks at once, a reader gives each event once and in order."""
    reader = EventReader(connect(redis_url), "events")
    heard: list[str] = []
    after = b"0-0"
    for number in range(20):
        assert reader.read(after, number % 2) == []
        add(redis, str(number))
        for place, event in reader.read(after, 1000):
            assert isinstance(event, ValuesRequested)
            heard.append(event.run_id)
            after = place
    reader.close()
    assert heard == [str(number) for number in range(20)]


def test_lost_connection_loses_no_event(redis: redis_py.Redis, redis_url: str) -> None:
    """A connection that breaks under a standing read costs nothing that was written meanwhile."""
    reader = EventReader(connect(redis_url), "events")
    assert reader.read(b"0-0", 1) == []
    redis.client_kill_filter(_type="normal", skipme=True)
    add(redis, "a")
    assert [event for _, event in reader.read(b"0-0", 1000)] == [ValuesRequested("a")]
    reader.close()


def test_strange_entry_is_passed(redis: redis_py.Redis, redis_url: str) -> None:
    """An entry that cannot be read stands as an event that changes nothing, so that its place is passed."""
    reader = EventReader(connect(redis_url), "events")
    redis.xadd("events", {"e": "?"})
    redis.xadd("events", {"other": "1"})
    assert [event for _, event in reader.read(b"0-0", 1000)] == [WorkerLeft(""), WorkerLeft("")]
    reader.close()
