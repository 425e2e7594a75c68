import csv
import io
import zipfile
from typing import Any

import pytest

from gateway import schemas
from gateway.crud.text_forms import TEXT_FORM
from tenfold.store.scheduler_store import JobTrace
from tests.integration.gateway.gateway_world import World, image
from tests.integration.gateway.job_calls import finished, read_events


def submit(world: World, count: int, *, bad: int = 0, **fields: str) -> dict[str, Any]:
    files = [("files", (f"{i}.jpg", image())) for i in range(count)]
    files += [("files", (f"bad-{i}.jpg", b"no image at all, sorry")) for i in range(bad)]
    reply = world.http.post("/v1/jobs", files=files, data=fields)
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    assert reply.headers["location"] == job["links"]["self"]
    return job


def test_a_job_goes_from_queued_to_succeeded(world: World) -> None:
    """Its counts, times and states are those of the contract, and nothing else is in it."""
    world.backend.let.clear()
    job = submit(world, 25, bad=1)
    assert (job["state"], job["images"]) == ("queued", {"total": 26, "done": 0, "failed": 1})
    world.backend.let.set()
    done = finished(world, job)
    assert (done["state"], done["images"]) == ("succeeded", {"total": 26, "done": 25, "failed": 1})
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    assert done["error"] is None
    schemas.JobAnswer.model_validate(done)


def test_results_come_in_pages_in_order(world: World) -> None:
    """Following next_cursor gives every image once, in index order."""
    job = submit(world, 25)
    finished(world, job)
    indexes, cursor = [], ""
    while True:
        page = world.http.get(job["links"]["results"], params={"limit": 10, "cursor": cursor}).json()
        schemas.ResultsAnswer.model_validate(page)
        indexes += [one["index"] for one in page["results"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert indexes == list(range(25))


def test_results_so_far_are_there_while_the_rest_waits(world: World) -> None:
    """A job that has not ended shows what is done of it."""
    world.backend.let.clear()
    job = submit(world, 3, bad=2)
    page = world.http.get(job["links"]["results"]).json()
    assert [one["index"] for one in page["results"]] == [3, 4]
    assert page["results"][0]["error"]["code"] == "unsupported_image_format"


def test_a_job_of_bad_images_alone_fails_at_once(world: World) -> None:
    """It is accepted, and every image says why it failed."""
    job = submit(world, 0, bad=2)
    assert job["state"] == "failed"
    assert job["error"]["code"] == "all_images_failed"


@pytest.mark.parametrize("route", ["jobs", "detect"])
@pytest.mark.parametrize(
    "given",
    [
        {"files": {"conf": (None, "0.5")}},
        {"files": {"files": ("", b"")}},
        {"data": {"conf": "0.5"}},
        {"data": {"files": "a.jpg"}},
        {"content": b""},
        {"content": b"", "headers": {"content-type": "application/json"}},
        {},
    ],
    ids=str,
)
def test_a_job_without_an_image_is_refused(world: World, route: str, given: dict[str, Any]) -> None:
    """Whatever a client's library makes of a request without a file, it is 422: a form of any kind, or nothing."""
    reply = world.http.post(f"/v1/{route}", **given)
    assert (reply.status_code, reply.json()["code"]) == (422, "no_images")


def test_a_form_without_files_is_held_to_the_fields(world: World) -> None:
    """Its fields are checked as any others; what is no text, or too long for a form, is told which types there are."""
    wrong = world.http.post("/v1/jobs", data={"conf": "2"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "conf")
    garbled = world.http.post("/v1/jobs", content=b"conf=%ff", headers={"content-type": TEXT_FORM})
    assert (garbled.status_code, garbled.json()["code"]) == (422, "invalid_field")
    for content in (image(), b"conf=" + b"1" * 70_000):
        picture = world.http.post("/v1/jobs", content=content, headers={"content-type": TEXT_FORM})
        assert (picture.status_code, picture.json()["code"]) == (415, "unsupported_media_type")
        assert "image/jpeg" in picture.json()["detail"]


def test_jobs_are_listed_newest_first_in_pages(world: World) -> None:
    """Pages follow each other without a gap or a job twice, the last says so, and they can be narrowed by state."""
    made = [submit(world, 1)["id"] for _ in range(5)]
    listed, cursor = [], None
    while True:
        params = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = world.http.get("/v1/jobs", params=params).json()
        schemas.JobsAnswer.model_validate(page)
        listed += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed[:5] == made[::-1]
    assert len(set(listed)) == len(listed)
    whole = world.http.get("/v1/jobs", params={"limit": len(listed)}).json()
    assert ([job["id"] for job in whole["jobs"]], whole["next_cursor"]) == (listed, None)
    failed = submit(world, 0, bad=1)["id"]
    assert [job["id"] for job in world.http.get("/v1/jobs?state=failed&limit=1").json()["jobs"]] == [failed]
    assert world.http.get("/v1/jobs?state=lost").status_code == 422


def test_a_canceled_job_stays_canceled_and_keeps_what_is_done(world: World) -> None:
    """Cancel is final, and may be said twice."""
    world.backend.let.clear()
    job = submit(world, 12, bad=1)
    first = world.http.delete(job["links"]["self"])
    assert (first.status_code, first.json()["state"]) == (200, "canceled")
    assert first.json()["error"]["code"] == "canceled"
    assert world.http.delete(job["links"]["self"]).json() == first.json()
    assert len(world.http.get(job["links"]["results"]).json()["results"]) == 1


@pytest.mark.parametrize("path", ["", "/results", "/events", "/trace", "/images/0"])
def test_a_job_that_is_not_there_is_not_found(world: World, path: str) -> None:
    """Every route of an unknown job is the same 404."""
    reply = world.http.get(f"/v1/jobs/0123456789abcdef{path}")
    assert (reply.status_code, reply.json()["code"]) == (404, "job_not_found")


def test_events_tell_everything_once_and_end(world: World) -> None:
    """States in order, each result once, and the last event is the final state."""
    world.backend.let.clear()
    job = submit(world, 25, bad=1)
    with world.http.stream("GET", job["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        text = next(lines) + "\n"
        world.backend.let.set()
        text += "\n".join(lines)
    events = read_events(text)
    results = [data["index"] for _, kind, data in events if kind == "result"]
    assert sorted(results) == list(range(26))
    states = [data["state"] for _, kind, data in events if kind == "state"]
    # Whether the stream is there before the job runs, and sees it run before it ends, is up to chance.
    assert states in (["queued", "running", "succeeded"], ["running", "succeeded"], ["queued", "succeeded"])
    assert events[-1][:2] == ("26-end", "state")
    assert [data["images"]["done"] for _, kind, data in events if kind == "progress"][-1] == 25


def test_a_broken_stream_goes_on_where_it_was(world: World) -> None:
    """With Last-Event-ID nothing is missed or told twice, and who has seen the end need not come again."""
    job = submit(world, 25)
    finished(world, job)
    whole = read_events(world.http.get(job["links"]["events"]).text)
    results = [event for event in whole if event[1] == "result"]
    for place in (1, 12, 25):
        rest = read_events(
            world.http.get(job["links"]["events"], headers={"last-event-id": results[place - 1][0]}).text
        )
        assert [event for event in rest if event[1] == "result"] == results[place:]
    assert world.http.get(job["links"]["events"], headers={"last-event-id": whole[-1][0]}).status_code == 204


def test_results_come_in_other_tools_formats(world: World) -> None:
    """Each format holds every image that has a result."""
    job = submit(world, 12)
    finished(world, job)
    at = job["links"]["results"]
    assert len(world.http.get(at, params={"format": "ndjson"}).text.splitlines()) == 12
    coco = world.http.get(at, params={"format": "coco"}).json()
    assert (len(coco["images"]), len(coco["annotations"])) == (12, 12)
    assert coco["categories"][1] == {"id": 1, "name": "square"}
    rows = list(csv.reader(io.StringIO(world.http.get(at, params={"format": "csv"}).text)))
    assert len(rows) == 13
    with zipfile.ZipFile(io.BytesIO(world.http.get(at, params={"format": "yolo"}).content)) as archive:
        assert len(archive.namelist()) == 13
    assert world.http.get(at, params={"format": "xml"}).status_code == 422


def test_an_image_is_drawn_while_it_is_kept(world: World) -> None:
    """A PNG of the image's size; then 410 that names the setting."""
    job = submit(world, 1, bad=1)
    finished(world, job)
    at = f"{job['links']['self']}/images"
    drawn = world.http.get(f"{at}/0")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
    assert drawn.content.startswith(b"\x89PNG")
    assert world.http.get(f"{at}/1").json()["code"] == "image_has_error"
    assert world.http.get(f"{at}/2").json()["code"] == "image_not_found"
    assert world.http.get(f"{at}/x").status_code == 422
    world.backend.client.delete(f"tenfold:blob:{job['id']}:0")
    gone = world.http.get(f"{at}/0")
    assert gone.status_code == 410
    assert "TENFOLD_KEEP_IMAGES_S" in gone.json()["detail"]


def test_a_trace_is_what_the_scheduler_wrote(world: World) -> None:
    """The trace's entries come in order, as they are."""
    job = submit(world, 1)
    world.backend.scheduler.trace({job["id"]: JobTrace(entries=[b'{"kind":"entered"}', b'{"kind":"batched"}'])})
    trace = world.http.get(job["links"]["trace"]).json()["trace"]
    assert [entry["kind"] for entry in trace] == ["entered", "batched"]


def test_results_that_were_dropped_early_are_gone(world: World) -> None:
    """410 names the setting that bounds them."""
    job = submit(world, 1)
    finished(world, job)
    world.backend.client.hset(f"tenfold:job:{job['id']}", "results_gone", 1)
    for format_ in ("json", "coco"):
        reply = world.http.get(job["links"]["results"], params={"format": format_})
        assert reply.status_code == 410
        assert "TENFOLD_RESULT_BYTES_MAX" in reply.json()["detail"]
