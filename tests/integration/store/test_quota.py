from collections.abc import Callable

import pytest

from tenfold.store.scripts import call
from tests.integration.store.store_world import World

Take = Callable[[int, int], tuple[int, int, int]]


@pytest.fixture
def take(world: World) -> Take:
    """Takes images of ten a minute, at a moment in milliseconds."""

    def at(images: int, now_ms: int) -> tuple[int, int, int]:
        taken, left, wait_ms = call(world.client, "take_quota", [world.keys.quota("c")], [now_ms, images, 10])
        return taken, left, wait_ms

    return at


def test_images_are_taken_while_they_last(take: Take) -> None:
    """All of them or none, and what is left is told."""
    assert take(0, 1_000_500) == (1, 10, 0)
    assert take(4, 1_000_500) == (1, 6, 60_500)
    assert take(7, 1_001_000)[:2] == (0, 6)
    assert take(6, 1_001_000)[:2] == (1, 0)
    assert take(0, 1_001_000)[0] == 0


def test_the_wait_is_never_too_short(take: Take) -> None:
    """Who waits as long as told gets what was asked for, and a moment earlier does not; no 60 s hold more than ten."""
    take(4, 1_000_999)
    take(6, 1_030_000)
    taken, left, wait_ms = take(4, 1_040_000)
    assert (taken, left) == (0, 0)
    assert take(4, 1_040_000 + wait_ms - 1)[0] == 0
    assert 1_040_000 + wait_ms > 1_000_999 + 60_000
    assert take(4, 1_040_000 + wait_ms)[0] == 1


def test_a_quota_leaves_nothing_behind(world: World, take: Take) -> None:
    """Its key is gone after the window, and old seconds go before."""
    for second in range(200):
        take(1, 1_000_000 + 1000 * second)
    assert world.client.hlen(world.keys.quota("c")) <= 61
    assert 0 < world.client.ttl(world.keys.quota("c")) <= 62


def test_what_was_not_accepted_is_given_back(world: World, take: Take) -> None:
    """From the newest seconds, and never more than was taken."""
    take(4, 1_000_000)
    take(3, 1_001_000)
    call(world.client, "give_back_quota", [world.keys.quota("c")], [5])
    assert take(0, 1_002_000)[1] == 8
    call(world.client, "give_back_quota", [world.keys.quota("c")], [50])
    assert take(0, 1_002_000)[1] == 10
