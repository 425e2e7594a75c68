"""``/v1/models`` and reloads, with workers played by hand."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway import schemas
from gateway.crud.reloads import HIDDEN
from tenfold.contract.records import ReloadOutcome, ReloadRequest, ReloadState
from tests.integration.gateway.gateway_world import World
from tests.integration.waiting import wait_for

KEYS = ("boss:boss-secret:scopes=submit+read+admin", "one:first-secret")
BOSS, ONE = {"x-api-key": "boss-secret"}, {"x-api-key": "first-secret"}


@pytest.fixture
def world(world_with: Callable[..., World]) -> World:
    """A gateway of the test's own: reloads stay."""
    return world_with()


def model(world: World, headers: dict[str, str] | None = None) -> dict[str, Any]:
    told = world.http.get("/v1/models", headers=headers).json()
    schemas.ModelsAnswer.model_validate(told)
    (only,) = told["models"]
    return dict(only)


def asked(world: World) -> ReloadRequest:
    return world.backend.worker.reloads(["toy"])["toy"]


def test_a_reload_reaches_the_workers_and_tells_what_came_of_it(world: World) -> None:
    """The answer comes at once and names who is asked; afterwards each worker's word is told as it comes."""
    assert model(world)["reload"] is None
    reply = world.http.post("/v1/models/toy/reload")
    assert reply.status_code == 202
    schemas.ReloadAnswer.model_validate(reply.json())
    told = reply.json()
    assert (told["model"], told["version"], told["done"]) == ("toy", "1", False)
    assert told["workers"] == [{"worker": "w1", "state": "pending", "version": None, "error": None}]
    assert asked(world).id == told["reload"]
    store = world.backend.worker
    for outcome, done in (
        (ReloadOutcome(ReloadState.LOADING, "1"), False),
        (ReloadOutcome(ReloadState.FAILED, "1", "no file"), True),
        (ReloadOutcome(ReloadState.SERVED, "2"), True),
    ):
        store.tell_reload(told["reload"], outcome)
        now = model(world)["reload"]
        assert (now["done"], now["workers"][0]["state"]) == (done, outcome.state)
        assert (now["workers"][0]["version"], now["workers"][0]["error"]) == (outcome.version, outcome.error)


def test_versions_are_counted_by_the_workers_that_hold_them(world: World) -> None:
    """Two workers with different versions show as two versions of one worker each."""
    assert model(world)["versions"] == [{"version": "1", "workers": 1}]
    world.backend.announce_as("w2", "2")
    told = model(world)
    assert told["versions"] == [{"version": "1", "workers": 1}, {"version": "2", "workers": 1}]
    assert told["workers"] == 2
    metrics = world.http.get("/metrics").text
    assert 'tenfold_model_workers{model="toy",version="1"} 1.0' in metrics
    assert 'tenfold_model_workers{model="toy",version="2"} 1.0' in metrics


def test_a_worker_that_is_gone_keeps_no_reload_waiting(world: World) -> None:
    """Who died while it loaded is `gone`: what takes its place loads the newest file anyway."""
    world.backend.announce_as("w2", "1")
    told = world.http.post("/v1/models/toy/reload").json()
    assert [one["worker"] for one in told["workers"]] == ["w1", "w2"]
    world.backend.worker.tell_reload(told["reload"], ReloadOutcome(ReloadState.UNCHANGED, "1"))
    assert not model(world)["reload"]["done"]
    world.backend.client.zadd("tenfold:beats", {"w2": 0})
    now = model(world)["reload"]
    assert (now["done"], [one["state"] for one in now["workers"]]) == (True, ["unchanged", "gone"])


def test_what_cannot_be_reloaded_is_refused(world: World) -> None:
    """A model that nobody knows is a 404; one that no living worker holds is a 503."""
    reply = world.http.post("/v1/models/no/such/reload")
    assert (reply.status_code, reply.json()["code"]) == (404, "model_not_found")
    beats = world.backend.client.zrange("tenfold:beats", 0, -1, withscores=True)
    world.backend.client.zadd("tenfold:beats", {"w1": 0})
    reply = world.http.post("/v1/models/toy/reload")
    world.backend.client.zadd("tenfold:beats", dict(beats))
    assert (reply.status_code, reply.json()["code"]) == (503, "no_worker")
    assert reply.headers["retry-after"]


def test_only_an_admin_reloads_and_is_told_of_files(world_with: Callable[..., World]) -> None:
    """With keys on, reloading needs the scope admin, and an error that names a file is an admin's to read."""
    world = world_with(api_keys=KEYS)
    refused: httpx.Response = world.http.post("/v1/models/toy/reload", headers=ONE)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    told = world.http.post("/v1/models/toy/reload", headers=BOSS)
    assert told.status_code == 202
    failure = ReloadOutcome(ReloadState.FAILED, "1", "/secret/place/best.pt: no file")
    world.backend.worker.tell_reload(told.json()["reload"], failure)
    assert model(world, BOSS)["reload"]["workers"][0]["error"] == failure.error
    assert model(world, ONE)["reload"]["workers"][0]["error"] == HIDDEN


@pytest.mark.parametrize("source", ["/weights/toy.safetensors", "toy"])
def test_the_default_is_what_the_gateway_was_told_whatever_else_was_served(
    world_with: Callable[..., World], source: str
) -> None:
    """The first of its models is the default, by its name or by the file that workers loaded it from."""
    world = world_with(model=(source, "another"))
    world.backend.announce_as("w2", "1", name="another", source="another")
    world.backend.announce_as("w1", "1", source=source)
    world.backend.announce_as("w3", "1", name="old", source="/weights/old.safetensors")

    def defaults() -> list[str]:
        return [one["name"] for one in world.http.get("/v1/models").json()["models"] if one["default"]]

    wait_for(lambda: defaults() == ["toy"])
