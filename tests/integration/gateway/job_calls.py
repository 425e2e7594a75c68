"""What tests ask of jobs over HTTP, and how they read a job's events."""

import json
from typing import Any

import httpx

from tests.integration.gateway.gateway_world import World
from tests.integration.waiting import wait_for


def finished(world: World, job: dict[str, Any]) -> dict[str, Any]:
    wait_for(lambda: world.http.get(job["links"]["self"]).json()["finished_at"], "the job's end")
    done: dict[str, Any] = world.http.get(job["links"]["self"]).json()
    return done


def read_events(text: str) -> list[tuple[str, str, Any]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return events


def open_job(world: World, *images: bytes, **params: Any) -> dict[str, Any]:
    files = [("files", (f"{i}.jpg", data)) for i, data in enumerate(images)] or None
    reply = world.http.post("/v1/jobs", params={"open": 1, **params}, files=files)
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    assert job["open"]
    return job


def add(
    world: World, job: dict[str, Any], *images: bytes, key: str = "", name: str = "p", **params: Any
) -> httpx.Response:
    files = [("files", (f"{name}-{i}.jpg", data)) for i, data in enumerate(images)]
    headers = {"Idempotency-Key": key} if key else {}
    url = f"{world.url}{job['links']['self']}/images"
    return httpx.post(url, params=params, files=files, headers=headers, timeout=20)


def close(world: World, job: dict[str, Any]) -> dict[str, Any]:
    reply = world.http.post(f"{job['links']['self']}/close")
    assert reply.status_code == 200, reply.text
    closed: dict[str, Any] = reply.json()
    assert not closed["open"]
    return closed


def now(world: World, job: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = world.http.get(job["links"]["self"]).json()
    return told
