import io
import json
import logging
from collections.abc import Iterator

import pytest

from tenfold.logs import JsonStream, about, configure_logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the root logger writes during a test; its handlers are as before afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()  # pytest's own, which must not be closed
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def test_json_lines_hold_ids_as_fields(stream: io.StringIO) -> None:
    """What a call gives as extra stands beside the message, and a line is an object."""
    configure_logs("info", "json", stream)
    logging.getLogger("a").warning("batch %s is late", "b1", extra={"batch": "b1", "ms": 2.5})
    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {"level": "warning", "logger": "a", "message": "batch b1 is late", "batch": "b1", "ms": 2.5}


def test_json_lines_hold_errors_whole(stream: io.StringIO) -> None:
    """A traceback of many lines stays in one line of the log."""
    configure_logs("info", "json", stream)
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("a").exception("it failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: no such thing" in json.loads(line)["error"]


def test_plain_lines_are_for_people(stream: io.StringIO) -> None:
    """Time, level and message; what is below the level is left out."""
    configure_logs("warning", "text", stream)
    logging.getLogger("a").info("nothing of interest")
    logging.getLogger("a").warning("late", extra={"batch": "b1"})
    assert stream.getvalue().endswith(" WARNING late\n")
    assert stream.getvalue().count("\n") == 1


def test_json_lines_hold_what_is_being_done(stream: io.StringIO) -> None:
    """Whoever writes a line, it has the ids of what it was written for; afterwards they are gone."""
    configure_logs("info", "json", stream)
    with about(batch="b1", jobs=["j1"]):
        with about(request_id="r1"):
            logging.getLogger("somebody.else").warning("odd", extra={"batch": "b2"})
        logging.getLogger("a").info("done")
    logging.getLogger("a").info("idle")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    ids = [{name: line[name] for name in ("batch", "jobs", "request_id") if name in line} for line in lines]
    assert ids == [
        {"batch": "b2", "jobs": ["j1"], "request_id": "r1"},
        {"batch": "b1", "jobs": ["j1"]},
        {},
    ]


def test_many_services_make_one_stream_of_objects() -> None:
    """Each has its service; what a process wrote that is no object, a traceback's line say, becomes one."""
    out = io.StringIO()
    say = JsonStream(out)
    say("worker-1", '{"at": "now", "level": "info", "message": "b1", "batch": "b1"}')
    say("worker-1", "Segmentation fault")
    said, odd = (json.loads(line) for line in out.getvalue().splitlines())
    assert said == {"service": "worker-1", "at": "now", "level": "info", "message": "b1", "batch": "b1"}
    assert (odd["service"], odd["message"], odd["level"]) == ("worker-1", "Segmentation fault", "info")
    assert odd["at"].endswith("Z")
