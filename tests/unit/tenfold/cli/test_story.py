from typing import Any

import pytest

from tenfold.cli.story import tell

LINES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "entered", "level": 0, "detail": {"images": 1}}, "entered at level 0 with 1 image"),
    (
        {"kind": "batched", "level": 1, "detail": {"items": 4, "size": 10, "jobs": 3, "why": "full"}},
        "4 images went to the workers at level 1 in a batch of 10, shared with 2 other jobs (full)",
    ),
    ({"kind": "sank", "level": 2, "detail": {"served": 50}}, "sank to level 2: it had its 50 images"),
    ({"kind": "aged", "level": 0, "detail": {"waited_ms": 2100.0}}, "nothing of it had started for 2.1 s"),
    ({"kind": "moved", "level": 0, "detail": {"from_level": 2}}, "moved from level 2 to 0"),
    (
        {"kind": "handed_back", "detail": {"items": 6, "why": "preempted"}},
        "6 images made way for something more urgent",
    ),
    ({"kind": "retried", "detail": {"items": 1, "why": "a worker was lost"}}, "1 image wait again: a worker was lost"),
    ({"kind": "held_down", "level": 2, "detail": {}}, "its client had more service"),
    ({"kind": "homed", "level": 2}, "went back to level 2"),
    ({"kind": "something_new", "detail": {"a": 1}}, "something new: a 1"),
]


@pytest.mark.parametrize(("entry", "words"), LINES)
def test_each_entry_is_a_sentence(entry: dict[str, Any], words: str) -> None:
    """What the scheduler did is said in words, and what is not known here in its own."""
    assert words in tell(entry)


def test_every_kind_of_the_scheduler_has_words() -> None:
    """No kind that the scheduler writes falls back to its field names."""
    from scheduler.core.decisions import TraceKind
    from tenfold.cli.story import _WORDS

    assert set(_WORDS) == {str(kind) for kind in TraceKind}
