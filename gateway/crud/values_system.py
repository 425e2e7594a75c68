"""The values' queue and their workers, as the routes of the system's figures show them."""

from __future__ import annotations

import msgspec

from gateway.crud.clients import Client
from gateway.crud.jobs import iso
from tenfold.store.keys import Keys
from tenfold.store.values_store import ValuesStanding


class ValuesQueueBody(msgspec.Struct, frozen=True):
    """The queue of the values on the wire; ``oldest_wait_ms`` is how long ago the first of the queued ones was due."""

    name: str
    to_come: int
    queued: int
    oldest_wait_ms: float | None
    workers: int


class ValuesWorkerBody(msgspec.Struct, frozen=True):
    """A living values worker on the wire. It holds nothing between two steps, and so is neither busy nor idle."""

    name: str
    queue: str
    host: str | None
    pid: int | None
    started_at: str
    beat_age_ms: float


def show_values_queue(standing: ValuesStanding, keys: Keys) -> ValuesQueueBody:
    """What waits for its moment, and what is due and not yet stored."""
    return ValuesQueueBody(
        keys.values_queue_name, standing.to_come, standing.queued, oldest_wait_ms(standing), len(standing.workers)
    )


def oldest_wait_ms(standing: ValuesStanding) -> float | None:
    """How long the first of the queued values has waited; None where none does."""
    if standing.oldest_due_ms is None:
        return None
    return round(max(0.0, standing.now_ms - standing.oldest_due_ms), 1)


def list_values_workers(standing: ValuesStanding, keys: Keys, viewer: Client) -> list[ValuesWorkerBody]:
    """The living values workers, by name; to a stranger, not where they run."""
    return [
        ValuesWorkerBody(
            worker.name,
            keys.values_queue_name,
            None if viewer.is_stranger else worker.host,
            None if viewer.is_stranger else worker.pid,
            iso(worker.joined_ms),
            round(max(0.0, standing.now_ms - worker.beat_ms), 1),
        )
        for worker in standing.workers
    ]
