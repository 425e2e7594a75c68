"""Cursors: where the next page begins. Clients pass them back and read nothing into them."""

from __future__ import annotations

import re

from gateway.crud.fields import InvalidField


def read_index(cursor: str | None) -> int:
    """The index of the image at which a page begins. Raises InvalidField."""
    if cursor is None or cursor == "":
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", cursor):
        raise _invalid(cursor)
    return int(cursor)


def read_place(cursor: str | None) -> tuple[float, str] | None:
    """The (time in ms, job id) after which a page of jobs begins, or None at the start. Raises InvalidField."""
    if cursor is None or cursor == "":
        return None
    match = re.fullmatch(r"([0-9]{1,16})-([0-9A-Za-z]{1,64})", cursor)
    if match is None:
        raise _invalid(cursor)
    return float(match[1]), match[2]


def write_place(place: tuple[float, str] | None) -> str | None:
    """The inverse of :func:`read_place`."""
    return None if place is None else f"{place[0]:.0f}-{place[1]}"


def _invalid(cursor: str) -> InvalidField:
    return InvalidField("cursor", f"cursor is {cursor[:64]!r}; pass the next_cursor of the page before")
