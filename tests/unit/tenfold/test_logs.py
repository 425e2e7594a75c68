import io
import json
import logging
from collections.abc import Iterator

import pytest

from tenfold.logs import configure_logs


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
