"""The living workers and what they work on."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from msgspec.structs import replace

from gateway.crud.clients import Client
from gateway.crud.jobs import iso
from gateway.crud.living import Living, living_workers
from tenfold.contract.records import ServedModel
from tenfold.store.gateway_store import GatewayStore


class WorkerBody(msgspec.Struct, frozen=True):
    """A living worker on the wire."""

    name: str
    models: list[ServedModel]
    device: str
    levels: list[int]
    lanes: list[str]
    host: str | None
    pid: int | None
    started_at: str
    beat_age_ms: float
    state: str
    batches: list[str]


async def list_workers(store: GatewayStore, lost_after_ms: float, viewer: Client) -> list[WorkerBody]:
    """The living workers and the batches that each holds; to a stranger, not where they run."""
    held: dict[str, list[str]] = defaultdict(list)
    for batch_id, name in sorted((await store.claims()).items()):
        held[name].append(batch_id)
    bodies = [_worker(living, held[living.info.name]) for living in await living_workers(store, lost_after_ms)]
    return [replace(body, host=None, pid=None) for body in bodies] if viewer.is_stranger else bodies


def _worker(living: Living, batches: list[str]) -> WorkerBody:
    info = living.info
    return WorkerBody(
        info.name,
        info.models,
        info.device,
        info.levels,
        info.lanes,
        info.host,
        info.pid,
        iso(info.started_ms),
        round(living.beat_age_ms, 1),
        "busy" if batches else "idle",
        batches,
    )
