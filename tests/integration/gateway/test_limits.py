import socket
from collections.abc import Callable

import httpx
import pytest

from tests.integration.gateway.gateway_world import MODEL, World, image
from tests.integration.waiting import wait_for


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{i}.bmp", content)) for i, content in enumerate(contents)]


def test_files_bodies_and_jobs_are_bounded(world_with: Callable[..., World]) -> None:
    """Beyond each limit is a 413 with its own code; in a job a large file is its own error; size before content."""
    world = world_with(file_bytes_max=20_000, body_bytes_max=100_000, images_per_job_max=3)
    large, fine = image((100, 100), "BMP"), image()
    raw = world.http.post("/v1/detect", content=large, headers={"content-type": "image/bmp"})
    assert (raw.status_code, raw.json()["code"]) == (413, "file_too_large")
    chunked = world.http.post("/v1/detect", content=iter([large]), headers={"content-type": "image/bmp"})
    assert (chunked.status_code, chunked.json()["code"]) == (413, "file_too_large")
    single = world.http.post("/v1/detect", files=files(large))
    assert (single.status_code, single.json()["code"]) == (413, "file_too_large")
    rubbish = world.http.post("/v1/detect", files=files(b"no image " * 5000))
    assert (rubbish.status_code, rubbish.json()["code"]) == (413, "file_too_large")
    several = world.http.post("/v1/detect", files=files(fine, large))
    assert several.status_code == 200
    assert [one["error"] and one["error"]["code"] for one in several.json()["results"]] == [None, "file_too_large"]
    body = world.http.post("/v1/jobs", files=files(large, large, large, large))
    assert (body.status_code, body.json()["code"]) == (413, "body_too_large")
    many = world.http.post("/v1/jobs", files=files(fine, fine, fine, fine))
    assert (many.status_code, many.json()["code"]) == (413, "too_many_images")
    assert world.backend.client.keys("tenfold:job:*") == world.backend.client.keys(
        f"tenfold:job:{several.json()['id']}*"
    )


def test_a_body_of_unknown_length_is_bounded_too(world_with: Callable[..., World]) -> None:
    """Where no Content-Length says how much will come, what has come is counted."""
    world = world_with(file_bytes_max=20_000, body_bytes_max=50_000)
    form = httpx.Request("POST", world.url, files=files(*[image((50, 50), "BMP")] * 10))
    pieces = iter([form.read()])
    reply = world.http.post("/v1/jobs", content=pieces, headers={"content-type": form.headers["content-type"]})
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


def test_a_body_too_large_is_refused_before_it_is_read(world_with: Callable[..., World]) -> None:
    """What Content-Length says is enough; the answer comes while nothing was sent."""
    world = world_with()
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port or 0), timeout=5) as line:
        line.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 999999999\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_long_field_and_a_wrong_one_are_refused_without_being_kept(world_with: Callable[..., World]) -> None:
    """A field has 64 KiB at most, and an unknown one is refused by its name alone."""
    world = world_with()
    long = world.http.post("/v1/jobs", files={"model": (None, "x" * 70_000), "files": ("a", image())})
    assert (long.status_code, long.json()["field"]) == (422, "model")
    unknown = world.http.post("/v1/jobs", files={"file": ("a.jpg", image())})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_field")
    assert "files" in unknown.json()["detail"]


def test_a_full_queue_says_when_to_come_back(world_with: Callable[..., World]) -> None:
    """A client's bound is 429, everyone's 503, both with Retry-After from what is in the way and the measured rate."""
    world = world_with(queued_items_max=10, client_share_max=0.5)
    world.backend.let.clear()
    status = {"drain_items_per_s": 0.5, "queues": []}
    world.backend.scheduler.publish(status, {})
    accepted = world.http.post("/v1/jobs", files=files(*[image()] * 4))
    assert accepted.status_code == 202
    over = world.http.post("/v1/jobs", files=files(image(), image()))
    assert (over.status_code, over.json()["code"], over.headers["retry-after"]) == (429, "client_queue_full", "2")
    world.backend.client.hset("tenfold:queued", "items", 10)
    full = world.http.post("/v1/jobs", files=files(image()))
    assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "queue_full", "2")
    assert world.http.delete(accepted.json()["links"]["self"]).status_code == 200


@pytest.mark.parametrize("bounds", [{"queued_items_max": 10}, {"queued_bytes_max": 4000}])
def test_what_could_never_be_queued_is_too_large(world_with: Callable[..., World], bounds: dict[str, int]) -> None:
    """A job beyond the whole bound is 413, not a promise that coming back would help."""
    world = world_with(client_share_max=0.5, **bounds)
    reply = world.http.post("/v1/jobs", files=files(*[image((400, 300), "PNG")] * 6))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_many_images")
    assert "retry-after" not in reply.headers
    assert "send them in parts" in reply.json()["detail"]


def test_without_a_worker_ever_there_is_nobody_to_ask(world_with: Callable[..., World]) -> None:
    """No model was announced: 503 with Retry-After, before the body is read."""
    world = world_with()
    world.backend.client.delete("tenfold:models")
    wait_for(lambda: world.http.get("/v1/models").json() == {"models": []}, "the end of the model")
    reply = world.http.post("/v1/detect", content=image(), headers={"content-type": "image/jpeg"})
    assert (reply.status_code, reply.json()["code"]) == (503, "no_worker")
    assert int(reply.headers["retry-after"]) >= 1


def test_a_deadline_that_cannot_be_met_is_refused_at_once(world_with: Callable[..., World]) -> None:
    """By the measured rate; nothing stays of it, and a deadline within reach is taken."""
    world = world_with()
    queue = {"pool": "toy", "lane": MODEL.lane(64), "level": 0, "waiting_items": 0, "capacity_per_s": 10.0}
    world.backend.scheduler.publish({"queues": [queue]}, {})
    late = world.http.post("/v1/jobs", files=files(*[image()] * 5), data={"deadline_ms": "400"})
    assert (late.status_code, late.json()["code"]) == (503, "deadline_out_of_reach")
    assert int(late.headers["retry-after"]) >= 1
    assert world.backend.client.keys("tenfold:job:*") == []
    assert world.http.post("/v1/jobs", files=files(*[image()] * 5), data={"deadline_ms": "60000"}).status_code == 202
