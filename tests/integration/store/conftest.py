from collections.abc import Iterator

import pytest

from tests.integration.store.store_world import World


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    """A private Redis with all three sides of the store."""
    world = World(redis_url)
    yield world
    world.close()
