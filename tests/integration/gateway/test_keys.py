from collections.abc import Callable

import pytest

from tenfold.store.keys import Keys
from tenfold.store.values_worker_store import ValuesWorkerStore
from tests.integration.gateway.gateway_world import World, image

KEYS = ("one:first-secret", "two:second-secret:priority=high")
ONE, TWO = {"authorization": "Bearer first-secret"}, {"x-api-key": "second-secret"}
JPEG = {"content-type": "image/jpeg"}


def test_with_keys_on_only_keys_are_answered(world_with: Callable[..., World]) -> None:
    """Everything but liveness, readiness and the pages asks for a key, the figures too where they are not public."""
    world = world_with(api_keys=KEYS, public_status=False)
    for path in ("/v1/jobs", "/v1/models", "/v1/queues", "/v1/workers", "/metrics", "/v1/jobs/abc"):
        reply = world.http.get(path)
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), path
        assert reply.headers["www-authenticate"] == "Bearer"
        assert world.http.get(path, headers=ONE).status_code in {200, 404}
    assert world.http.post("/v1/detect", content=image(), headers=JPEG).status_code == 401
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert world.http.get(path).status_code == 200, path


OPEN_TO_STRANGERS = {"/healthz", "/readyz", "/v1/queues", "/v1/workers", "/v1/models"}


def test_strangers_see_figures_and_nothing_else(world_with: Callable[..., World]) -> None:
    """Of all that can be asked, these answer without a key; everything else is 401, and so is a wrong key anywhere."""
    world = world_with(api_keys=KEYS)
    routes = world.http.get("/openapi.json").json()["paths"]
    answered = set()
    for path, methods in routes.items():
        for method in methods:
            at = path.replace("{index}", "0").replace("{", "").replace("}", "")
            reply = world.http.request(method, at)
            if reply.status_code != 401:
                answered.add(path if method == "get" else f"{method} {path}")
            if path.startswith("/v1"):
                assert world.http.request(method, at, headers={"x-api-key": "wrong"}).status_code == 401, (method, at)
    assert answered == OPEN_TO_STRANGERS


def test_a_stranger_is_not_told_whose_and_where(world_with: Callable[..., World]) -> None:
    """Depths, rates and counts are whole; jobs, clients, hosts, process ids, labels and descriptions are left out."""
    world = world_with(api_keys=KEYS)
    share = {"job": "secretjob", "client": "one", "images": 3}
    batch = {"id": "b", "lane": "toy@1-64", "level": 0, "worker": "w1", "images": 3, "for_ms": 1.0, "shares": [share]}
    world.backend.scheduler.publish({"at_ms": 0, "leader": "1", "jobs": 2, "queues": [], "batches": [batch]}, {})
    seen, whole = world.http.get("/v1/queues").json(), world.http.get("/v1/queues", headers=ONE).json()
    assert (seen["view"], seen["jobs"], seen["batches"][0]["images"]) == ("figures", 2, 3)
    assert seen["batches"][0]["shares"] == []
    assert (whole["view"], whole["batches"][0]["shares"][0]["job"]) == ("whole", "secretjob")
    values_worker = {"hostname": "secrethost", "pid": 7}
    world.backend.client.hset("rq:worker:v1", mapping=values_worker)
    ValuesWorkerStore(world.backend.client, Keys(), "v1", 2**20, 15_000).beat(0)
    (worker,), (other,) = world.http.get("/v1/workers").json().values()
    assert (worker["name"], worker["host"], worker["pid"]) == ("w1", None, None)
    assert (other["name"], other["host"], other["pid"]) == ("v1", None, None)
    assert world.http.get("/v1/workers", headers=ONE).json()["values_workers"][0]["host"] == "secrethost"
    (model,) = world.http.get("/v1/models").json()["models"]
    assert (model["name"], model["labels"], model["description"], model["workers"]) == ("toy", [], "", 1)
    (known,) = world.http.get("/v1/models", headers=ONE).json()["models"]
    assert (known["labels"], known["description"]) == (["circle", "square"], "a toy")


def test_a_key_that_is_not_known_is_refused(world_with: Callable[..., World]) -> None:
    """A secret that is nobody's opens nothing, however near it comes to one that is."""
    world = world_with(api_keys=KEYS)
    for secret in ("first-secre", "first-secret1", "one", "one:first-secret"):
        reply = world.http.get("/v1/jobs", headers={"x-api-key": secret})
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), secret


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


def test_scopes_say_what_a_key_may_do(world_with: Callable[..., World]) -> None:
    """Looking, sending and undoing what is everybody's are granted apart; the refusal names what lacks."""
    world = world_with(
        api_keys=("r:reads:scopes=read", "s:sends:scopes=submit", "u:usual", "a:all:scopes=read+submit+admin")
    )
    reads, sends, usual, admin = ({"x-api-key": secret} for secret in ("reads", "sends", "usual", "all"))
    upload = {"files": ("a.jpg", image())}
    assert world.http.post("/v1/jobs", files=upload, headers=reads).status_code == 403
    sent = world.http.post("/v1/jobs", files=upload, headers=sends)
    assert sent.status_code == 202
    refused = world.http.get("/v1/jobs", headers=sends)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert "'read'" in refused.json()["detail"]
    assert world.http.put("/v1/values/k", json={"value": "v"}, headers=usual).status_code == 201
    for path in ("/v1/values", "/v1/values/random", "/v1/values/k"):
        assert world.http.delete(path, headers=usual).status_code == 403
    assert world.http.get("/v1/values/k", headers=usual).status_code == 200
    assert world.http.delete("/v1/values/k", headers=admin).status_code == 200
    at = sent.json()["links"]["self"]
    assert world.http.get(at, headers=usual).status_code == 404
    assert world.http.delete(at, headers=admin).json()["id"] == sent.json()["id"]
    assert len(world.http.get("/v1/jobs", headers=admin).json()["jobs"]) == 1


def test_a_key_has_its_images_a_minute(world_with: Callable[..., World]) -> None:
    """Accepted images count, refused ones do not; 429 says when to come back, and a job beyond all of it is a 413."""
    world = world_with(api_keys=("l:limited:images/min=3", "f:free"))
    limited, free = {"x-api-key": "limited"}, {"x-api-key": "free"}
    files = [("files", ("a.jpg", image()))]
    first = world.http.post("/v1/jobs", files=files * 2, headers={**limited, "idempotency-key": "one"})
    assert first.headers["ratelimit-policy"] == '"images";q=3;w=60'
    assert first.headers["ratelimit"].startswith('"images";r=1;t=')
    again = world.http.post("/v1/jobs", files=files * 2, headers={**limited, "idempotency-key": "one"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    over = world.http.post("/v1/jobs", files=files * 2, headers=limited)
    assert (over.status_code, over.json()["code"]) == (429, "quota_exceeded")
    assert 55 <= int(over.headers["retry-after"]) <= 61
    assert over.headers["ratelimit"] == f'"images";r=1;t={over.headers["retry-after"]}'
    assert world.http.post("/v1/jobs", files=files * 4, headers=limited).json()["code"] == "too_many_images"
    detected = world.http.post("/v1/detect", content=image(), headers={**JPEG, **limited})
    assert (detected.status_code, detected.headers["ratelimit"][:12]) == (200, '"images";r=0')
    early = world.http.post("/v1/detect", content=image(), headers={**JPEG, **limited})
    assert (early.status_code, early.json()["code"]) == (429, "quota_exceeded")
    unlimited = world.http.post("/v1/jobs", files=files * 9, headers=free)
    assert (unlimited.status_code, "ratelimit" in unlimited.headers) == (202, False)


def test_images_that_found_no_room_cost_no_quota(world_with: Callable[..., World]) -> None:
    """What the queue's bound refused is given back."""
    world = world_with(api_keys=("l:limited:images/min=9",), queued_items_max=4, client_share_max=0.5)
    files = [("files", ("a.jpg", image()))] * 3
    for _ in range(4):
        reply = world.http.post("/v1/jobs", files=files, headers={"x-api-key": "limited"})
        assert reply.json()["code"] == "too_many_images"
