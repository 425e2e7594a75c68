"""Which workers live."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.contract.records import WorkerInfo
from tenfold.store.gateway_store import GatewayStore


@dataclass(frozen=True, slots=True)
class Living:
    """A worker whose beat is recent, and how long ago that was."""

    info: WorkerInfo
    beat_age_ms: float


async def living_workers(store: GatewayStore, lost_after_ms: float) -> list[Living]:
    """The workers that beat within ``lost_after_ms``, by name."""
    now_ms = await store.now_ms()
    found = [Living(info, max(0.0, now_ms - at_ms)) for info, at_ms in await store.workers(now_ms, lost_after_ms)]
    return sorted(found, key=lambda living: living.info.name)
