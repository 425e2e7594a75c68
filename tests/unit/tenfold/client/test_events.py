import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.client import ApiError, ClientError, ResultCommitted, StateChanged, Tenfold
from tenfold.client.events import EventReader
from tests.unit.tenfold.canned_service import CannedService, Reply, broken, canned_service, found, job


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


def event(kind: str, event_id: str, data: Any) -> bytes:
    return f"id: {event_id}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def stream(*events: bytes) -> Reply:
    return Reply(b"retry: 1000\n\n" + b"".join(events), headers={"Content-Type": "text/event-stream"})


def end(after: int) -> bytes:
    return event("state", f"{after}-end", job("succeeded", total=after, done=after))


def progress(done: int, total: int = 3) -> dict[str, Any]:
    return {"state": "running", "images": {"total": total, "done": done, "failed": 0}, "level": 1, "position": 4}


@given(st.lists(st.integers(1, 40)))
def test_events_are_read_however_they_are_cut(cuts: list[int]) -> None:
    """The same events come out whatever the pieces are in which the bytes arrive, line separators within text too."""
    told = b": ping\n\n" + event("result", "1", found(0, "zeile\u2028\u0085ende.png")) + event("new", "2", {}) + end(1)
    reader, at, events = EventReader(), 0, []
    for cut in cuts:
        events += list(reader.feed(told[at : at + cut]))
        at += cut
    events += list(reader.feed(told[at:]))
    assert [one.id for one in events] == ["1", "1-end"]
    assert isinstance(events[0], ResultCommitted)
    assert events[0].result.name == "zeile\u2028\u0085ende.png"


def test_an_event_of_something_else_is_an_error() -> None:
    """What is no job in the place of one is a ClientError."""
    with pytest.raises(ClientError, match="not Tenfold's"):
        list(EventReader().feed(b'event: state\ndata: {"hello": 1}\n\n'))


def test_a_broken_stream_goes_on_where_it_broke(service: CannedService) -> None:
    """After a break the last id is sent along, and each result comes once, even one that is told again."""
    service.reply(
        "GET",
        "/v1/jobs/j1/events",
        stream(event("state", "0", job("running", total=3, done=0)), event("result", "1", found(0))),
        stream(event("result", "1", found(0)), event("result", "2", broken(2)), event("result", "3", found(1)), end(3)),
    )
    with Tenfold(service.url) as client:
        results = list(client.as_completed("j1"))
    assert [result.index for result in results] == [0, 2, 1]
    assert "Last-Event-ID" not in service.asked[0].headers
    assert service.asked[1].headers["Last-Event-ID"] == "1"


def test_a_stream_that_was_seen_whole_is_over(service: CannedService) -> None:
    """204 after a break means that nothing more comes."""
    service.reply(
        "GET", "/v1/jobs/j1/events", stream(event("result", "1", found(0))), Reply(b"", 204, {"Content-Length": "0"})
    )
    with Tenfold(service.url) as client:
        assert len(list(client.events("j1"))) == 1


def test_watch_tells_the_job_with_its_progress(service: CannedService) -> None:
    """Each change gives the job whole: its counts and place are those last told."""
    service.reply(
        "GET",
        "/v1/jobs/j1/events",
        stream(
            event("state", "0", job("running", total=3, done=0)),
            event("progress", "0", progress(1)),
            event("progress", "0", progress(1)),
            end(3),
        ),
    )
    with Tenfold(service.url) as client:
        told = list(client.watch("j1"))
    assert [(one.state, one.images.done) for one in told] == [("running", 0), ("running", 1), ("succeeded", 3)]
    assert (told[1].level, told[1].position, told[1].model) == (1, 4, "demo")


def test_without_a_stream_the_job_is_asked_for(service: CannedService) -> None:
    """Where no events come through, the same events are made from the job and its results."""
    service.reply("GET", "/v1/jobs/j1", job("queued", 2, 0), job("running", 2, 1), job("succeeded", 2, 2))
    pages = [{"results": [found(1)]}, {"results": [found(0), found(1)]}]
    service.reply("GET", "/v1/jobs/j1/results", *pages)
    with Tenfold(service.url) as client:
        events = list(client.events("j1", every_s=0.001))
    assert [one.result.index for one in events if isinstance(one, ResultCommitted)] == [1, 0]
    assert [one.job.state for one in events if isinstance(one, StateChanged)] == ["queued", "running", "succeeded"]
    assert isinstance(events[-1], StateChanged)


def test_no_such_job_is_no_reason_to_ask_again(service: CannedService) -> None:
    """A job that there is not is an error at once."""
    missing = {"title": "Not Found", "status": 404, "code": "job_not_found", "detail": "no job j1"}
    service.reply("GET", "/v1/jobs/j1/events", Reply(missing, 404))
    with Tenfold(service.url) as client, pytest.raises(ApiError, match="no job j1"):
        list(client.events("j1"))
    assert len(service.asked) == 1


def test_detect_follows_what_takes_longer_than_one_request(service: CannedService) -> None:
    """A detection that is answered by a job is followed to its end, its results in the order of the images."""
    service.reply("POST", "/v1/detect", Reply(job("running", 2, 0), 202))
    service.reply(
        "GET", "/v1/jobs/j1/events", stream(event("result", "1", found(1)), event("result", "2", found()), end(2))
    )
    with Tenfold(service.url) as client:
        done = client.detect([b"a", b"b"])
    assert done.state == "succeeded"
    assert [result.index for result in done.results or []] == [0, 1]
