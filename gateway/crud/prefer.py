"""The ``Prefer`` header (RFC 7240): whether, and how long, a client wants to wait."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WAIT_S_MAX: Final = 600.0
"""A wait holds a connection: this bounds it."""


@dataclass(frozen=True, slots=True)
class Preference:
    """How long to wait, in seconds, and what ``Preference-Applied`` says of it ("" where nothing was asked for)."""

    wait_s: float
    applied: str


def read_prefer(headers: Iterable[str], default_s: float) -> Preference:
    """The preference in these ``Prefer`` headers. What cannot be read is ignored, as the RFC asks.

    ``respond-async`` alone does not wait; with ``wait=N`` it waits up to N seconds, as ``wait=N`` alone does.
    """
    tokens: dict[str, str] = {}
    for part in ",".join(headers).split(","):
        name, _, value = part.split(";")[0].partition("=")
        tokens.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = tokens.get("wait", "")
    applied = ["respond-async"] if "respond-async" in tokens else []
    if re.fullmatch(r"[0-9]+", wait):
        wait_s = min(float(wait), WAIT_S_MAX)
        return Preference(wait_s, ", ".join([*applied, f"wait={wait_s:.0f}"]))
    return Preference(0.0 if applied else min(default_s, WAIT_S_MAX), ", ".join(applied))
