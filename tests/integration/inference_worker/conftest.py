from collections.abc import Callable, Iterator

import pytest

from tests.integration.inference_worker.colleague import Colleague, toy_desk
from tests.integration.inference_worker.dispatching import Desk


@pytest.fixture
def desk(redis_url: str) -> Iterator[Desk]:
    """Jobs and batches for the toy detector on a private Redis."""
    desk = toy_desk(redis_url)
    yield desk
    desk.close()


@pytest.fixture
def hire(desk: Desk) -> Iterator[Callable[..., Colleague]]:
    """Makes workers that run in this process."""
    hired: list[Colleague] = []

    def make(*args: object, **named: object) -> Colleague:
        hired.append(Colleague(desk, *args, **named))  # type: ignore[arg-type]
        return hired[-1]

    yield make
    for colleague in hired:
        colleague.close()
