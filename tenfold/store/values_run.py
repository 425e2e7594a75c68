"""A run of values as it is read from Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from tenfold.contract.records import ValueFailure
from tenfold.contract.states import RunState

RUN_FIELDS = ("client", "state", "requested", "stored", "late", "failed", "started_ms", "finished_ms")


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands.

    Attributes:
        client: who began it.
        late: of the stored ones, those that came due while no worker lived, or were stored after the window had ended.
        errors: one entry a failed value.
    """

    id: str
    client: str
    state: RunState
    requested: int
    stored: int
    late: int
    failed: int
    started_ms: float
    finished_ms: float | None
    errors: list[ValueFailure]

    @classmethod
    def of(cls, run_id: str, fields: Sequence[bytes | None], errors: list[ValueFailure]) -> Self | None:
        """From the values of :data:`RUN_FIELDS`; None where there is no such run."""
        client, state, requested, stored, late, failed, started, finished = fields
        if client is None or state is None:
            return None
        return cls(
            run_id,
            client.decode(),
            RunState(state.decode()),
            int(requested or 0),
            int(stored or 0),
            int(late or 0),
            int(failed or 0),
            float(started or 0),
            None if finished is None else float(finished),
            errors,
        )


def decode_failure(raw: bytes) -> ValueFailure:
    """An entry of a run's errors."""
    return msgspec.json.decode(raw, type=ValueFailure)
