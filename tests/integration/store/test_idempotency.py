"""Idempotency keys in the store: one request, one job, however often it is sent."""

from __future__ import annotations

from tenfold.store.upload_store import Reservation
from tests.integration.store.store_world import World

KEY = "tenfold:idem:c:digest"


def begin(world: World, job_id: str) -> None:
    world.ask("begin_upload", job_id, "c", 4e12)


def test_a_key_is_reserved_by_the_first_upload(world: World) -> None:
    """The first upload gets the key; later ones learn whose it is while its body still arrives."""
    begin(world, "a")
    assert world.ask("reserve", KEY, "a") is None
    assert world.ask("reserve", KEY, "b") == Reservation("a", "")


def test_an_accepted_request_leaves_its_fingerprint(world: World) -> None:
    """Once its job is accepted, a key answers with the job and what the request was."""
    world.idempotency = (KEY, "f" * 64)
    begin(world, "a")
    world.ask("reserve", KEY, "a")
    world.submit("a", 1)
    assert world.ask("reserve", KEY, "b") == Reservation("a", "f" * 64)
    assert 0 < world.client.ttl(KEY) <= 86_400


def test_a_reservation_of_a_dead_gateway_is_taken_over(world: World) -> None:
    """A key whose upload was swept without a job goes to the next who asks."""
    begin(world, "a")
    world.ask("reserve", KEY, "a")
    world.client.zrem(world.keys.uploads, "a")
    begin(world, "b")
    assert world.ask("reserve", KEY, "b") is None
    assert world.ask("reserve", KEY, "c") == Reservation("b", "")


def test_only_the_holder_gives_an_unused_key_back(world: World) -> None:
    """A refused upload frees its key; nobody else's release does."""
    begin(world, "a")
    world.ask("reserve", KEY, "a")
    world.ask("release", KEY, "b")
    assert world.ask("reserve", KEY, "b") == Reservation("a", "")
    world.ask("release", KEY, "a")
    assert world.ask("reserve", KEY, "b") is None
