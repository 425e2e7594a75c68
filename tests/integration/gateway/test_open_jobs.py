import io
import socket
import tarfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gateway import schemas
from tenfold.contract.records import POOL
from tests.integration.gateway.gateway_world import KEYS, MODEL, World, image
from tests.integration.gateway.job_calls import add, close, finished, now, open_job, read_events
from tests.integration.waiting import wait_for

BAD = b"no image at all, sorry"


def test_a_job_takes_images_until_it_is_closed(world: World) -> None:
    """Parts are computed as they come, in the order of their indexes, and the close ends the job."""
    job = open_job(world, image(), image())
    reply = add(world, job, image((9, 9)), BAD, image((9, 9)))
    assert reply.status_code == 202
    assert reply.headers["location"] == job["links"]["self"]
    schemas.AddedToAnswer.model_validate(reply.json())
    assert reply.json()["added"] == {"first": 2, "count": 3}
    wait_for(lambda: now(world, job)["images"] == {"total": 5, "done": 4, "failed": 1}, "all that was added")
    assert (now(world, job)["state"], now(world, job)["open"]) == ("running", True)
    assert close(world, job)["state"] == "succeeded"
    results = world.http.get(job["links"]["results"]).json()["results"]
    assert [one["name"] for one in results] == ["0.jpg", "1.jpg", "p-0.jpg", "p-1.jpg", "p-2.jpg"]
    assert [one["width"] for one in results] == [8, 8, 9, None, 9]
    assert results[3]["error"]["code"] == "unsupported_image_format"


def test_a_job_may_be_opened_without_an_image(world: World) -> None:
    """With no body at all, with a form of fields alone, of either kind, and with options that count for every part."""
    fields = {"open": "1", "imgsz": "32"}
    for given in (
        {},
        {"files": {name: (None, text) for name, text in fields.items()}},
        {"data": fields},
        {"content": b""},
    ):
        params = {} if {"files", "data"} & set(given) else {"open": "true"}
        reply = world.http.post("/v1/jobs", params=params, **given)
        assert reply.status_code == 202, reply.text
        assert (reply.json()["state"], reply.json()["images"]["total"]) == ("queued", 0)
        add(world, reply.json(), image())
        close(world, reply.json())
        assert finished(world, reply.json())["state"] == "succeeded"


def test_an_empty_job_fails_when_it_is_closed(world: World) -> None:
    """Its error says that no image came; closing it again is the same."""
    job = open_job(world)
    closed = close(world, job)
    assert (closed["state"], closed["error"]["code"]) == ("failed", "no_images")
    assert close(world, job) == closed


def test_what_opens_a_job_is_held_to_its_words(world: World) -> None:
    """`open` is 1 or 0, for jobs alone, and only a job that stays open may be without images."""
    assert world.http.post("/v1/jobs?open=yes").json()["field"] == "open"
    assert world.http.post("/v1/jobs?open=0").json()["code"] == "no_images"
    assert world.http.post("/v1/detect?open=1", files={"files": image()}).json()["code"] == "unknown_field"
    assert world.http.post("/v1/jobs?open=1", content=b"something", headers={}).status_code == 415
    chunks = httpx.post(f"{world.url}/v1/jobs?open=1", content=iter([b"some", b"thing"]))
    assert chunks.status_code == 415
    assert world.http.post("/v1/jobs", params={"open": 0}, files={"files": image()}).json()["open"] is False


@pytest.mark.parametrize("field", ["model", "conf", "priority", "deadline_ms", "open"])
def test_what_belongs_to_the_job_is_refused_on_a_part(world: World, field: str) -> None:
    """In the query and in the form, by name; an unknown field is still an unknown one."""
    job = open_job(world)
    reply = add(world, job, image(), **{field: "1"})
    assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (422, "field_of_job", field)
    reply = world.http.post(f"{job['links']['self']}/images", data={field: "1"}, files={"files": image()})
    assert reply.json()["code"] == "field_of_job"
    assert add(world, job, image(), colour="red").json()["code"] == "unknown_field"
    assert now(world, job)["images"]["total"] == 0


def test_nothing_is_added_to_a_job_that_is_not_open(world: World) -> None:
    """Closed, canceled or never opened: 409 before the body is read, and nothing is left behind."""
    closed, canceled = open_job(world, image()), open_job(world, image())
    close(world, closed)
    world.http.delete(canceled["links"]["self"])
    plain = world.http.post("/v1/jobs", files={"files": image()}).json()
    for job in (closed, canceled, plain):
        for key in ("", f"key-{job['id']}"):
            reply = add(world, job, image(), key=key)
            assert (reply.status_code, reply.json()["code"]) == (409, "job_closed")
    keys = world.backend.client
    wait_for(lambda: not [key for key, due in keys.zrange(KEYS.uploads, 0, -1, withscores=True) if due > 0])


def test_an_unknown_job_takes_nothing(world: World) -> None:
    """Adding and closing are the same 404 as everything else about it."""
    for path in ("images", "close"):
        reply = world.http.post(f"/v1/jobs/0123456789abcdef/{path}", files={"files": image()})
        assert (reply.status_code, reply.json()["code"]) == (404, "job_not_found")


def test_a_part_without_an_image_is_refused(world: World) -> None:
    """Nothing to add is a mistake, with a form and without any body."""
    job = open_job(world)
    for files in (None, {"files": ("", b"")}):
        reply = world.http.post(f"{job['links']['self']}/images", files=files)
        assert (reply.status_code, reply.json()["code"]) == (422, "no_images")


def test_archives_and_raw_images_are_parts_too(world: World) -> None:
    """The same bodies as for a new job."""
    job = open_job(world)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("a.jpg", "b.jpg"):
            entry = tarfile.TarInfo(name)
            entry.size = len(image())
            tar.addfile(entry, io.BytesIO(image()))
    at = f"{job['links']['self']}/images"
    for kind, body in (("application/x-tar", packed.getvalue()), ("image/jpeg", image())):
        assert world.http.post(at, content=body, headers={"content-type": kind}).status_code == 202
    close(world, job)
    assert finished(world, job)["images"] == {"total": 3, "done": 3, "failed": 0}


def test_the_same_part_again_is_added_once(world: World) -> None:
    """Under its key, also after the close; other files under it are refused; the key counts for its job alone."""
    job, other = open_job(world), open_job(world)
    replies = [add(world, job, image(), image(), key="one") for _ in range(3)]
    assert [reply.json()["added"] for reply in replies] == [{"first": 0, "count": 2}] * 3
    assert add(world, job, image((9, 9)), key="one").json()["code"] == "idempotency_key_reused"
    assert add(world, other, image((9, 9)), key="one").json()["added"] == {"first": 0, "count": 1}
    assert add(world, job, image(), key="two").json()["added"] == {"first": 2, "count": 1}
    close(world, job)
    again = add(world, job, image(), image(), key="one")
    assert (again.status_code, again.json()["added"]) == (202, {"first": 0, "count": 2})
    assert finished(world, job)["images"]["total"] == 3


def test_equal_parts_at_once_are_added_once(world: World) -> None:
    """Twelve at the same time, some while the first still arrives: one part."""
    job = open_job(world)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: add(world, job, image(), image(), key="same"), range(12)))
    assert {reply.status_code for reply in replies} == {202}
    assert [reply.json()["added"] for reply in replies] == [{"first": 0, "count": 2}] * 12
    assert now(world, job)["images"]["total"] == 2


def test_different_parts_at_once_are_all_added(world: World) -> None:
    """Each part's images stand in a row under their own names, whoever came first."""
    job = open_job(world)
    with ThreadPoolExecutor(8) as pool:
        replies = dict(
            zip(range(24), pool.map(lambda n: add(world, job, *[image()] * 5, name=f"p{n}"), range(24)), strict=True)
        )
    close(world, job)
    assert finished(world, job)["images"] == {"total": 120, "done": 120, "failed": 0}
    results = world.http.get(job["links"]["results"], params={"limit": 1000}).json()["results"]
    for number, reply in replies.items():
        first = reply.json()["added"]["first"]
        assert [one["name"] for one in results[first : first + 5]] == [f"p{number}-{i}.jpg" for i in range(5)]


def test_events_go_on_until_the_job_is_closed_and_done(world: World) -> None:
    """The stream outlasts all images being done, tells that the job is open, and ends with the final state."""
    job = open_job(world, image())
    with world.http.stream("GET", job["links"]["events"]) as stream:
        lines = stream.iter_lines()
        text = "".join(f"{next(lines)}\n" for _ in range(3))
        wait_for(lambda: now(world, job)["images"]["done"] == 1, "the first image")
        assert add(world, job, image(), image()).status_code == 202
        wait_for(lambda: now(world, job)["images"]["done"] == 3, "the part")
        close(world, job)
        text += "\n".join(lines)
    events = read_events(text)
    assert sorted(data["index"] for _, kind, data in events if kind == "result") == [0, 1, 2]
    progress = [(data["open"], data["images"]["total"]) for _, kind, data in events if kind == "progress"]
    assert (True, 3) in progress
    assert events[-1][2]["state"] == "succeeded"
    assert not events[-1][2]["open"]


def test_a_part_that_breaks_off_leaves_the_job_as_it_was(world: World) -> None:
    """A client that goes away in the middle of a part added nothing; the next part counts."""
    job = open_job(world)
    address = httpx.URL(world.url)
    line = socket.create_connection((address.host, address.port or 0))
    head = f"POST {job['links']['self']}/images HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
    line.sendall(head.encode() + b"Content-Length: 900000\r\n\r\n" + image() + b"\0" * 300_000)
    keys = world.backend.client
    wait_for(lambda: keys.zcount(KEYS.uploads, 1, "+inf") == 1, "the upload")
    line.close()
    wait_for(lambda: keys.zcount(KEYS.uploads, 1, "+inf") == 0, "its end")
    assert add(world, job, image()).json()["added"] == {"first": 0, "count": 1}


def test_a_part_that_arrives_while_the_job_is_closed_is_refused(world: World) -> None:
    """The close wins over what is still on its way."""
    job = open_job(world, image())
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port or 0)) as line:
        head = f"POST {job['links']['self']}/images HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        data = image()
        line.sendall(head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:-5])
        close(world, job)
        line.sendall(data[-5:])
        answer = b""
        while not answer.endswith(b"}"):
            answer += line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 409")
    assert b"job_closed" in answer
    assert now(world, job)["images"]["total"] == 1


def test_a_part_counts_against_the_jobs_deadline(world: World) -> None:
    """One that cannot be done in time is refused at once, and so is any once the deadline has passed."""
    lane = {"pool": POOL, "lane": MODEL.lane(64), "level": 0, "capacity_per_s": 0.001}
    job = open_job(world, deadline_ms=60_000)
    world.backend.scheduler.publish({"queues": [lane]}, {})
    reply = add(world, job, image())
    assert (reply.status_code, reply.json()["code"]) == (503, "deadline_out_of_reach")
    world.backend.scheduler.publish({"queues": []}, {})
    assert add(world, job, image()).status_code == 202
    late = open_job(world, deadline_ms=1)
    reply = add(world, late, image())
    assert (reply.status_code, reply.json()["code"]) == (409, "job_closed")
    assert "deadline" in reply.json()["detail"]


def test_a_job_that_was_canceled_while_open_keeps_what_is_done(world: World) -> None:
    """The rest is dropped, and the job is final."""
    job = open_job(world, image())
    wait_for(lambda: now(world, job)["images"]["done"] == 1, "the first image")
    world.backend.let.clear()
    add(world, job, image(), image())
    canceled = world.http.delete(job["links"]["self"]).json()
    assert (canceled["state"], canceled["open"]) == ("canceled", False)
    assert canceled["images"] == {"total": 3, "done": 1, "failed": 0}
    assert close(world, job) == canceled
