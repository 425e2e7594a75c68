import json
import socket
from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.integration.gateway.gateway_world import World, image
from tests.integration.waiting import wait_for

JPEG = {"content-type": "image/jpeg"}


def header_of(size: tuple[int, int]) -> bytes:
    """A PNG whose header says that it is of this size; nothing follows."""
    data = bytearray(image((1, 1), "PNG"))
    data[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    return bytes(data)


def test_a_form_and_a_raw_body_give_the_same_boxes(world: World) -> None:
    """One image answers 200 with its detections, however it was sent."""
    form = world.http.post("/v1/detect", files={"files": ("a.jpg", image((40, 30)))})
    raw = world.http.post("/v1/detect", content=image((40, 30)), headers=JPEG)
    assert (form.status_code, raw.status_code) == (200, 200)
    (first,), (second,) = form.json()["results"], raw.json()["results"]
    assert first["detections"] == second["detections"]
    assert first["detections"][0] == {"box": [0, 0, 40, 30], "score": 0.9, "class_id": 0, "label": "circle"}
    assert first["name"] == "a.jpg"
    assert form.json()["state"] == "succeeded"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_formats_are_told_apart_by_content(world: World, kind: str) -> None:
    """Neither the name nor the part's content type matter."""
    reply = world.http.post("/v1/detect", files={"files": ("a.txt", image((9, 7), kind), "text/plain")})
    assert reply.status_code == 200
    assert reply.json()["results"][0]["width"] == 9


def test_fields_may_stand_in_the_query_and_behind_the_files(world: World) -> None:
    """Options count wherever they stand, and reach the job."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + image() + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="conf"\r\n\r\n0.5\r\n'
        b'--b\r\nContent-Disposition: form-data; name="imgsz"\r\n\r\n32\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    reply = world.http.post("/v1/detect?iou=0.1&priority=low", content=body, headers=headers)
    assert reply.status_code == 200
    job = world.backend.jobs[-1]
    assert (job.options.conf, job.options.iou, job.size, job.priority) == (0.5, 0.1, 32, "low")
    assert job.lane == "toy@32"


def test_a_body_without_a_length_is_read_to_its_end(world: World) -> None:
    """A chunked body is as good as any."""

    def pieces() -> Iterator[bytes]:
        data = image((300, 300), "BMP")
        yield from (data[at : at + 1000] for at in range(0, len(data), 1000))

    reply = world.http.post("/v1/detect", content=pieces(), headers={"content-type": "image/bmp"})
    assert reply.status_code == 200
    assert reply.json()["results"][0]["width"] == 300


def test_an_image_larger_than_a_piece_arrives_whole(world: World) -> None:
    """What is stored in pieces by offset is the image that was sent."""
    noise = Image.effect_noise((900, 900), 100)
    out = BytesIO()
    noise.save(out, "PNG")
    assert len(out.getvalue()) > 600_000
    reply = world.http.post("/v1/detect", files=[("files", ("a", out.getvalue())), ("files", ("b", out.getvalue()))])
    assert [one["error"] for one in reply.json()["results"]] == [None, None]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "image/jpeg", 400, "empty_image"),
        (b"hello, I am no image", "image/jpeg", 415, "unsupported_image_format"),
        (image()[:200], "image/jpeg", 422, "truncated_image"),
        (image(size=(64, 64))[:-200], "image/jpeg", 422, "truncated_image"),
        (header_of((10_000, 10_000)), "image/png", 422, "too_many_pixels"),
        (image(), "text/plain", 415, "unsupported_media_type"),
        (image(), "", 415, "unsupported_media_type"),
        (b"rubbish", "multipart/form-data; boundary=b", 400, "malformed_multipart"),
        (b"rubbish", "multipart/form-data", 400, "malformed_multipart"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 422, "no_images"),
    ],
)
def test_a_single_bad_image_is_a_problem(world: World, body: bytes, content_type: str, status: int, code: str) -> None:
    """Each kind of bad input has its status and its code, as a problem document."""
    reply = world.http.post("/v1/detect", content=body, headers={"content-type": content_type} if content_type else {})
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("conf=2", "conf", "from 0 to 1"),
        ("model=nope", "model", "toy"),
        ("imgsz=65", "imgsz", "64, 32"),
        ("confidence=1", "confidence", "conf, iou"),
        ("deadline_ms=0", "deadline_ms", "from 1"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(world: World, query: str, field: str, says: str) -> None:
    """A field's problem is 422, names the field, and says what is allowed."""
    reply = world.http.post(f"/v1/detect?{query}", content=image(), headers=JPEG)
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert says in reply.json()["detail"]


def test_a_bad_image_among_good_ones_is_its_own_error(world: World) -> None:
    """Several images always answer 200; the good ones are served."""
    files = [("files", (f"{i}.jpg", image())) for i in range(9)] + [("files", ("empty.jpg", b""))]
    files.insert(4, ("files", ("cut.jpg", image((64, 64))[:-200])))
    reply = world.http.post("/v1/detect", files=files)
    assert reply.status_code == 200
    results = reply.json()["results"]
    assert [one["index"] for one in results] == list(range(11))
    errors = {one["name"]: one["error"]["code"] for one in results if one["error"]}
    assert errors == {"cut.jpg": "truncated_image", "empty.jpg": "empty_image"}
    assert reply.json()["images"] == {"total": 11, "done": 9, "failed": 2}


def test_respond_async_answers_at_once_with_where_to_look(world: World) -> None:
    """202 has the job, its Location, and the preference that was applied."""
    world.backend.let.clear()
    reply = world.http.post("/v1/detect", content=image(), headers={**JPEG, "prefer": "respond-async"})
    assert reply.status_code == 202
    assert reply.headers["preference-applied"] == "respond-async"
    assert reply.headers["location"] == f"/v1/jobs/{reply.json()['id']}"
    world.backend.let.set()
    wait_for(lambda: world.http.get(reply.headers["location"]).json()["state"] == "succeeded")


def test_a_wait_that_runs_out_leaves_the_job_running(world: World) -> None:
    """After `wait=N` the answer is 202; the job is not canceled."""
    world.backend.let.clear()
    reply = world.http.post("/v1/detect", content=image(), headers={**JPEG, "prefer": "wait=1"})
    assert (reply.status_code, reply.headers["preference-applied"]) == (202, "wait=1")
    world.backend.let.set()
    wait_for(lambda: world.http.get(reply.headers["location"]).json()["state"] == "succeeded")


@pytest.mark.parametrize(("header", "state"), [("", "canceled"), ("Idempotency-Key: abc\r\n", "succeeded")])
def test_a_client_that_goes_away_cancels_unless_it_sent_a_key(world: World, header: str, state: str) -> None:
    """Nobody computes for somebody who has left, but who sent a key will come back."""
    world.backend.let.clear()
    before = {job["id"] for job in world.http.get("/v1/jobs").json()["jobs"]}
    body = image()
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port or 0)) as line:
        head = f"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n{header}"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_for(lambda: len(world.http.get("/v1/jobs").json()["jobs"]) > len(before))
    (job_id,) = {job["id"] for job in world.http.get("/v1/jobs").json()["jobs"]} - before
    if state == "canceled":
        wait_for(lambda: world.http.get(f"/v1/jobs/{job_id}").json()["state"] == state)
    else:
        # The gateway has noticed; what it would then do is done before it answers others.
        wait_for(lambda: len(world.server.server_state.connections) <= 1, "the end of the line")
        assert world.http.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"
    world.backend.let.set()
    wait_for(lambda: world.http.get(f"/v1/jobs/{job_id}").json()["state"] == state)


def test_an_upload_that_breaks_off_leaves_no_job(world: World) -> None:
    """A body that does not end is no job, and its pieces are given up to be swept."""
    count = len(world.http.get("/v1/jobs").json()["jobs"])

    def uploads() -> list[float]:
        return [score for _, score in world.backend.client.zrange("tenfold:uploads", 0, -1, withscores=True)]

    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port or 0)) as line:
        line.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 900000\r\n\r\n")
        line.sendall(image() + bytes(400_000))
        wait_for(lambda: uploads() and max(uploads()) > 0)
    wait_for(lambda: max(uploads()) == 0)
    assert len(world.http.get("/v1/jobs").json()["jobs"]) == count


def test_a_canceled_image_is_a_conflict_for_who_waits(world: World) -> None:
    """Who waits for a job that somebody else cancels learns so."""
    world.backend.let.clear()
    seen = {job["id"] for job in world.http.get("/v1/jobs").json()["jobs"]}
    address = httpx.URL(world.url)
    body = image()
    with socket.create_connection((address.host, address.port or 0)) as line:
        line.sendall(
            b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        wait_for(lambda: len(world.http.get("/v1/jobs").json()["jobs"]) > len(seen))
        (job_id,) = {job["id"] for job in world.http.get("/v1/jobs").json()["jobs"]} - seen
        assert world.http.delete(f"/v1/jobs/{job_id}").json()["state"] == "canceled"
        with line.makefile("rb") as answer:
            head, _, content = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 409")
    assert json.loads(content)["code"] == "canceled"
