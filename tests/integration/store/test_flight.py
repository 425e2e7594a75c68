"""Verbs that are answered while their sender does something else."""

import socket

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tenfold.store.connection import connect
from tenfold.store.flight import Flight
from tests.integration.store.store_world import World

RELEASE = ("release_key", ["a key"], ["me"])


def test_answers_come_in_the_order_of_the_verbs(world: World) -> None:
    """A verb that the server refuses keeps neither the others nor the next flight from being answered."""
    world.client.hset("a key", mapping={"job": "me", "fingerprint": ""})
    world.client.lpush("a list", "1")
    flight = Flight(world.client, RELEASE, ("release_key", ["a list"], ["me"]), RELEASE)
    assert flight.sent
    first, refused, last = flight.land()
    assert isinstance(refused, ResponseError)
    assert "WRONGTYPE" in str(refused)
    assert flight.land() is flight.land()
    assert (first, last) == (1, 0)
    assert Flight(world.client, RELEASE).land() == [0]


def test_a_server_that_is_not_there_is_an_answer(world: World) -> None:
    """Nothing is raised where it was sent, or was to be; each verb is told why."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"redis://127.0.0.1:{nobody.getsockname()[1]}"
    away = Flight(connect(url), RELEASE, RELEASE)
    assert not away.sent
    assert [type(answer) for answer in away.land()] == [RedisConnectionError] * 2
    other = connect(world.url)
    other.client_pause(60_000, all=False)
    broken = Flight(world.client, RELEASE, RELEASE)
    other.client_kill_filter(_type="normal", skipme=True)
    other.client_unpause()
    assert broken.sent
    assert all(isinstance(answer, RedisConnectionError) for answer in broken.land())
    assert world.client.ping()
