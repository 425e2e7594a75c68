"""What every test may ask for: a private real Redis, emptied before each test that uses it."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
import redis as redis_py

from tenfold.redis_server import RedisServer, RedisServerNotFound


def pytest_configure() -> None:
    """A shell ignores Ctrl-C for what it starts in the background, and whoever is started from there inherits that;
    what is tested here must hear it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    """A service's entry sets the root logger up for its process; a later test must not write to its closed stream."""
    handlers = [it for it in logging.root.handlers if not getattr(getattr(it, "stream", None), "closed", False)]
    level = logging.root.level
    logging.root.handlers[:] = handlers
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of this test process alone, started by the code that `tenfold up` uses."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
    except RedisServerNotFound as error:
        # A laptop without any server may still run the rest; CI must not pass by leaving tests out.
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[redis_py.Redis]:
    """A client of an empty private Redis; replies are bytes."""
    with redis_py.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_server: RedisServer, redis: redis_py.Redis) -> str:
    """The URL of an empty private Redis."""
    return redis_server.url
