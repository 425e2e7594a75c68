"""What a value job does: make a value. The table that names the function is here, not in Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import uuid4

from tenfold.store.values_worker_store import Outcome

FUNCTION = "inference_worker.values.store"
"""The name that a value's RQ job carries, for RQ's tools."""

Create = Callable[[], tuple[str, str]]
"""Makes one value: its key and its text."""


def create() -> tuple[str, str]:
    """A uuid4 and the moment of its creation (ISO 8601, UTC, microseconds)."""
    return str(uuid4()), datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


FUNCTIONS: Mapping[str, Create] = MappingProxyType({FUNCTION: create})


def attempt(make: Create) -> Outcome:
    """Make the next value. This is the failure hook: what goes wrong is that value's alone and is told in its run."""
    try:
        key, text = make()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this value's and must not end the worker
        return Outcome("failed", "value_failed", f"{type(error).__name__}: {error}")
    return Outcome("stored", key, text)
