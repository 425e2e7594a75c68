"""Rule 11 at the door: what is refused for want of room, and when it is worth to come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tenfold.contract.errors import ClientQueueFull, RequestError, Unavailable
from tenfold.store.bounds import Room
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.upload_store import Queued

RETRY_S_MAX: Final = 600
RETRY_S_UNKNOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Admission:
    """Refuses before a body is read what the store would refuse after it."""

    store: GatewayStore

    async def check(self, queued: Queued) -> None:
        """Raise ClientQueueFull or Unavailable where not even one more image has room."""
        own, bound = Room(queued.client_items, queued.client_bytes), self.store.bounds.of_client
        if _is_full(own, bound):
            raise await self.with_retry(ClientQueueFull(f"you have {own} queued; your bound is {bound}"))
        everybodys, bound = Room(queued.items, queued.bytes), self.store.bounds.of_all
        if _is_full(everybodys, bound):
            raise await self.with_retry(
                Unavailable(f"{everybodys} are queued; the bound is {bound}", code="queue_full")
            )

    async def with_retry(self, error: RequestError) -> RequestError:
        """``error`` with the time in which what is in its way, else all that is queued, drains at the measured rate."""
        if error.retry_after_s is None and isinstance(error, ClientQueueFull | Unavailable):
            error.retry_after_s = await self._retry_after_s(error.in_the_way)
        return error

    async def _retry_after_s(self, items: int | None) -> float:
        status = await self.store.status() or {}
        rate = status.get("drain_items_per_s")
        if not isinstance(rate, int | float) or rate <= 0:
            return RETRY_S_UNKNOWN
        if items is None:
            items = (await self.store.queued("")).items
        return min(RETRY_S_MAX, max(1, math.ceil(items / rate)))


def _is_full(queued: Room, bound: Room) -> bool:
    return queued.items >= bound.items or queued.bytes >= bound.bytes
