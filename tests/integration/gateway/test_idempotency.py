import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.gateway.gateway_world import KEYS, World, image
from tests.integration.waiting import wait_for


def post(world: World, route: str, key: str, *images: bytes, **fields: str) -> httpx.Response:
    files = [("files", (f"{i}.jpg", data)) for i, data in enumerate(images)]
    return httpx.post(f"{world.url}/v1/{route}", files=files, data=fields, headers={"Idempotency-Key": key}, timeout=20)


@pytest.mark.parametrize(("route", "status"), [("jobs", 202), ("detect", 200)])
def test_the_same_request_again_is_the_same_job(world: World, route: str, status: int) -> None:
    """A replay is answered with the job that the first made, also when that is done, and makes none of its own."""
    replies = [post(world, route, f"again-{route}", image(), conf="0.5") for _ in range(3)]
    assert {reply.status_code for reply in replies} == {status}
    assert len({reply.json()["id"] for reply in replies}) == 1
    if route == "detect":
        assert replies[2].json() == replies[0].json()


def test_many_equal_requests_at_once_make_one_job(world: World) -> None:
    """Thirty at the same time, some while the first still waits: one job for all."""
    before = len(world.backend.jobs)
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: post(world, "detect", "at-once", image((30, 30))), range(30)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(world.backend.jobs) == before + 1


@pytest.mark.parametrize(
    ("images", "fields"), [([image((9, 9))], {}), ([image(), image()], {}), ([image()], {"conf": "0.9"})]
)
def test_a_key_stands_for_one_request(world: World, images: list[bytes], fields: dict[str, str]) -> None:
    """Other files or other fields under the same key are refused."""
    assert post(world, "jobs", "one-request", image()).status_code == 202
    reply = post(world, "jobs", "one-request", *images, **fields)
    assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")


def test_a_default_that_is_said_is_the_same_request(world: World) -> None:
    """Fields are compared by what they mean, not by whether they were left to the default."""
    first = post(world, "jobs", "defaults", image())
    said = post(world, "jobs", "defaults", image(), conf="0.25", iou="0.70", max_detections="300", priority="normal")
    assert (said.status_code, said.json().get("id")) == (202, first.json()["id"])


def test_a_key_counts_for_its_route_alone(world: World) -> None:
    """The same key on another route is another key."""
    job = post(world, "jobs", "routes", image()).json()
    assert post(world, "detect", "routes", image()).json()["id"] != job["id"]


def test_a_refused_request_gives_its_key_back(world: World) -> None:
    """What came to nothing can be sent again, corrected, under the same key."""
    assert post(world, "detect", "refused", b"no image at all, sorry").status_code == 415
    assert post(world, "detect", "refused", image(), conf="2").status_code == 422
    assert post(world, "detect", "refused", image()).status_code == 200


def test_a_key_that_is_no_text_is_refused(world: World) -> None:
    """Empty and endless keys are 422."""
    for key in ("", "x" * 256):
        reply = post(world, "jobs", key, image())
        assert (reply.status_code, reply.json()["field"]) == (422, "Idempotency-Key")


def test_a_replay_waits_for_a_first_that_still_arrives_and_takes_over_when_it_breaks(world: World) -> None:
    """While the first body arrives the second waits; where the first breaks off, it is told to come again."""
    address = httpx.URL(world.url)
    line = socket.create_connection((address.host, address.port or 0))
    line.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nIdempotency-Key: slow\r\n"
        b"Content-Length: 90000\r\n\r\n"
    )
    keys = world.backend.client
    wait_for(lambda: any(keys.hget(key, "fingerprint") == b"" for key in keys.keys("tenfold:idem:*")))
    arriving = keys.zcard(KEYS.uploads)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(post, world, "jobs", "slow", image())
        wait_for(lambda: keys.zcard(KEYS.uploads) > arriving, "the second")
        with pytest.raises(TimeoutError):
            second.result(0.4)
        line.close()
        assert second.result(10).status_code == 409
    assert second.result().headers["retry-after"] == "1"
    assert post(world, "jobs", "slow", image()).status_code == 202
