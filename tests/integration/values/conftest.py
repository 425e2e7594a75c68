from collections.abc import Iterator

import pytest

from tests.integration.values.processes import System


@pytest.fixture
def system(redis_url: str) -> Iterator[System]:
    """No process yet; all that the test starts are stopped."""
    system = System(redis_url)
    yield system
    system.stop()
