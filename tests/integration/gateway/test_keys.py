from collections.abc import Callable

import pytest

from tests.integration.gateway.gateway_world import World, image

KEYS = ("one:first-secret", "two:second-secret:priority=high")
ONE, TWO = {"authorization": "Bearer first-secret"}, {"x-api-key": "second-secret"}
JPEG = {"content-type": "image/jpeg"}


def test_with_keys_on_only_keys_are_answered(world_with: Callable[..., World]) -> None:
    """Everything but liveness, readiness and the pages asks for a key."""
    world = world_with(api_keys=KEYS)
    for path in ("/v1/jobs", "/v1/models", "/v1/queues", "/v1/workers", "/metrics", "/v1/jobs/abc"):
        reply = world.http.get(path)
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), path
        assert reply.headers["www-authenticate"] == "Bearer"
        assert world.http.get(path, headers=ONE).status_code in {200, 404}
    assert world.http.post("/v1/detect", content=image(), headers=JPEG).status_code == 401
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert world.http.get(path).status_code == 200, path


def test_a_job_of_another_key_is_not_there(world_with: Callable[..., World]) -> None:
    """Neither read nor canceled nor listed by others, and no different from one that never was."""
    world = world_with(api_keys=KEYS)
    job = world.http.post("/v1/jobs", files={"files": ("a.jpg", image())}, headers=ONE).json()
    at = job["links"]["self"]
    assert world.http.get(at, headers=ONE).status_code == 200
    for path in ("", "/results", "/events", "/trace", "/images/0"):
        assert world.http.get(at + path, headers=TWO).status_code == 404
    assert world.http.delete(at, headers=TWO).status_code == 404
    assert world.http.get("/v1/jobs", headers=TWO).json()["jobs"] == []
    assert [one["id"] for one in world.http.get("/v1/jobs", headers=ONE).json()["jobs"]] == [job["id"]]


@pytest.mark.parametrize(("key", "status"), [(ONE, 403), (TWO, 200)])
def test_high_priority_needs_a_key_that_allows_it(
    world_with: Callable[..., World], key: dict[str, str], status: int
) -> None:
    """With keys on, urgency is granted and not taken."""
    world = world_with(api_keys=KEYS)
    reply = world.http.post("/v1/detect?priority=high", content=image(), headers={**JPEG, **key})
    assert reply.status_code == status
