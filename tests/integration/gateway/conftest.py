"""A gateway a module, with its own Redis emptied first."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis as redis_py

from tenfold.redis_server import RedisServer
from tenfold.settings import Settings
from tests.integration.gateway.gateway_world import World, running_world


@pytest.fixture(scope="module")
def module_redis_url(redis_server: RedisServer) -> str:
    with redis_py.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="module")
def module_world(module_redis_url: str) -> Iterator[World]:
    with running_world(module_redis_url) as world:
        yield world


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    """A gateway whose backend serves at once."""
    yield module_world
    module_world.backend.let.set()


@pytest.fixture
def world_with(redis_url: str) -> Iterator[Callable[..., World]]:
    """Starts a gateway with settings of the test's own."""
    with ExitStack() as stack:

        def start(**settings: Any) -> World:
            given: dict[str, Any] = {"redis_url": redis_url, "model": ("toy",), **settings}
            return stack.enter_context(running_world(redis_url, Settings(**given)))

        yield start
