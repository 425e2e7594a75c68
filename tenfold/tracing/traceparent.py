"""The place of a span in its trace, as W3C's ``traceparent`` header writes it; and which span a job's is.

Only what is sampled is ever written: a job without a traceparent is one that nobody traces.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, NamedTuple

_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


class Place(NamedTuple):
    """A span that is sampled, by its trace's number and its own."""

    trace_id: int
    span_id: int


def write(place: Place) -> str:
    """``place`` as a header's value."""
    return f"00-{place.trace_id:032x}-{place.span_id:016x}-01"


def read(text: str) -> Place | None:
    """The place that ``text`` names, or None where it names none."""
    found = _FORM.fullmatch(text)
    return Place(int(found[1], 16), int(found[2], 16)) if found else None


def job_span_id(job_id: str) -> int:
    """The number of a job's span: who tells of a batch need not ask who tells of the job, and telling twice is once."""
    return int.from_bytes(blake2b(job_id.encode(), digest_size=8, person=b"tenfold job").digest(), "big") or 1
