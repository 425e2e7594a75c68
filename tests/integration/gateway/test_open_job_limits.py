from collections.abc import Callable

from tests.integration.gateway.gateway_world import World, image
from tests.integration.gateway.job_calls import add, now, open_job
from tests.integration.waiting import wait_for


def test_limits_hold_for_all_parts_together(world_with: Callable[..., World]) -> None:
    """Images of a job, images queued and open jobs, each with its own word."""
    world = world_with(images_per_job_max=3, queued_items_max=8, client_share_max=0.5, open_jobs_max=2)
    world.backend.let.clear()
    job = open_job(world, image(), image())
    reply = add(world, job, image(), image())
    assert (reply.status_code, reply.json()["code"]) == (413, "too_many_images")
    assert add(world, job, image()).status_code == 202
    other = open_job(world)
    assert world.http.post("/v1/jobs?open=1").json()["code"] == "too_many_open_jobs"
    assert add(world, other, image()).status_code == 202
    reply = add(world, other, image())
    assert (reply.status_code, reply.json().get("code")) == (429, "client_queue_full"), reply.text
    assert int(reply.headers["retry-after"]) >= 1
    world.backend.let.set()
    wait_for(lambda: now(world, other)["images"]["done"] == 1, "room")
    assert add(world, other, image()).status_code == 202


def test_quotas_count_parts(world_with: Callable[..., World]) -> None:
    """A key's images a minute are taken by parts, too, and a foreign key's job is not there."""
    world = world_with(api_keys=("one:first-secret:images/min=3", "two:second-secret"))
    mine = {"Authorization": "Bearer first-secret"}
    job = world.http.post("/v1/jobs?open=1", headers=mine).json()
    at = f"{job['links']['self']}/images"
    files = [("files", ("a.jpg", image())), ("files", ("b.jpg", image()))]
    reply = world.http.post(at, files=files, headers=mine)
    assert (reply.status_code, reply.headers["ratelimit"][:13]) == (202, '"images";r=1;')
    reply = world.http.post(at, files=files, headers=mine)
    assert (reply.status_code, reply.json()["code"]) == (429, "quota_exceeded")
    others = {"Authorization": "Bearer second-secret"}
    assert world.http.post(at, files=files, headers=others).status_code == 404
    assert world.http.post(f"{job['links']['self']}/close", headers=others).status_code == 404
