import pytest

from gateway.crud.cursors import read_index, read_place, write_place
from gateway.crud.events import JobEvent, Seen, read_seen, write_event
from gateway.crud.fields import InvalidField
from gateway.crud.intake import new_job_id
from gateway.crud.jobs import is_job_id, iso
from gateway.crud.uploads import clean_name


def test_job_ids_are_plain_unique_and_in_order_of_time() -> None:
    """An id can be part of a key and sorts by when it was made, to the millisecond."""
    ids = [new_job_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(is_job_id(one) and len(one) == 32 for one in ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)


@pytest.mark.parametrize("text", ["", "a:b", "a b", "../x", "a" * 65, "ä", "a\n"])
def test_what_cannot_be_a_job_id_never_reaches_a_key(text: str) -> None:
    """Only letters and digits can."""
    assert not is_job_id(text)


def test_cursors_come_back_as_they_went() -> None:
    """A page's end is the next one's beginning."""
    assert read_place(write_place((1_764_000_000_123.0, "abc"))) == (1_764_000_000_123.0, "abc")
    assert read_place(None) is None
    assert write_place(None) is None
    assert read_index("12") == 12


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30])
def test_a_strange_cursor_is_refused(cursor: str) -> None:
    """A cursor of somebody's own making is an error that says what to pass."""
    with pytest.raises(InvalidField, match="next_cursor"):
        read_index(cursor)
    with pytest.raises(InvalidField, match="next_cursor"):
        read_place(cursor)


@pytest.mark.parametrize(
    ("text", "seen"),
    [(None, Seen()), ("", Seen()), ("7", Seen(7)), ("7-end", Seen(7, end=True)), ("x", Seen()), ("-3", Seen())],
)
def test_the_last_event_id_says_what_was_seen(text: str | None, seen: Seen) -> None:
    """A strange id begins anew."""
    assert read_seen(text) == seen


def test_events_are_written_as_the_standard_says() -> None:
    """An event has id, kind and data; a sign of life is a comment."""
    assert write_event(JobEvent("state", "3", {"a": 1})) == b'id: 3\nevent: state\ndata: {"a":1}\n\n'
    assert write_event(JobEvent()).startswith(b":")


def test_times_are_iso_in_utc() -> None:
    """Milliseconds since the epoch read as ISO 8601 with a Z."""
    assert iso(1_764_000_000_123.4) == "2025-11-24T16:00:00.123Z"


@pytest.mark.parametrize(
    ("name", "clean"),
    [("a.jpg", "a.jpg"), ("", "image-3"), ("a\r\n\0b", "ab"), ("x" * 300, "x" * 255), (" \n", "image-3")],
)
def test_names_are_data_of_bounded_length(name: str, clean: str) -> None:
    """Control characters are dropped, and an image always has a name."""
    assert clean_name(name, 3) == clean
