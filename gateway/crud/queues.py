"""What waits where and what is under way, as a viewer may see it."""

from __future__ import annotations

import hashlib

import msgspec

from gateway.crud.clients import Client
from gateway.crud.jobs import iso
from gateway.crud.status import HistoryBody, LiveBatch, QueueBody, read_status
from gateway.crud.values_system import ValuesQueueBody, show_values_queue
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.values_store import ValuesStanding


class ShareBody(msgspec.Struct, frozen=True):
    """What a job has in a batch. Of others' jobs, only that they are somebody's: ``job`` is null."""

    job: str | None
    client: str
    images: int


class BatchBody(msgspec.Struct, frozen=True):
    """A batch that has not ended: in its RQ queue, or held by ``worker``, for ``for_ms``."""

    id: str
    lane: str
    level: int
    worker: str | None
    images: int
    for_ms: float
    shares: list[ShareBody]


class TotalsBody(msgspec.Struct, frozen=True):
    """What is queued of everybody, and the bounds."""

    items: int
    bytes: int
    items_max: int
    bytes_max: int


class QueuesBody(msgspec.Struct, frozen=True):
    """Depth, age and rates on the wire; ``at`` is null where no scheduler tells.

    ``view`` is ``figures`` where the viewer showed no key and so is not told whose the batches are, else ``whole``.
    """

    view: str
    at: str | None
    leader: str | None
    jobs: int | None
    drain_items_per_s: float | None
    queued: TotalsBody
    queues: list[QueueBody]
    batches: list[BatchBody]
    turns: dict[str, int]
    history: HistoryBody
    values: ValuesQueueBody


async def show_queues(store: GatewayStore, values: ValuesStanding, viewer: Client) -> QueuesBody:
    """What waits where and what is under way, as the scheduler last told and ``viewer`` may see it."""
    told = await read_status(store)
    return QueuesBody(
        "figures" if viewer.is_stranger else "whole",
        None if told.at_ms is None else iso(told.at_ms),
        told.leader,
        told.jobs,
        told.drain_items_per_s,
        await show_totals(store),
        told.queues,
        [_batch(batch, viewer, told.leader or "") for batch in told.batches],
        {**told.counts.turns, "preempted": sum(one.count for one in told.counts.preempted)},
        told.history,
        show_values_queue(values, store.keys),
    )


async def show_totals(store: GatewayStore) -> TotalsBody:
    """What is queued of everybody, and the bounds."""
    queued = await store.queued("")
    return TotalsBody(queued.items, queued.bytes, store.bounds.items_max, store.bounds.bytes_max)


def _batch(batch: LiveBatch, viewer: Client, leader: str) -> BatchBody:
    shares = [
        ShareBody(share.job if viewer.owns(share.client) else None, alias(share.client, leader), share.images)
        for share in ([] if viewer.is_stranger else batch.shares)
    ]
    return BatchBody(batch.id, batch.lane, batch.level, batch.worker, batch.images, batch.for_ms, shares)


def alias(client: str, salt: str) -> str:
    """A short name that tells clients apart without naming them."""
    return hashlib.blake2s(client.encode(), key=salt.encode()[:32], digest_size=2).hexdigest()
