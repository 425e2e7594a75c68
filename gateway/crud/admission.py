"""Rule 11 at the door: what is refused for want of room, and when it is worth to come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tenfold.contract.errors import ClientQueueFull, RequestError, Unavailable
from tenfold.store.gateway_store import Bounds, GatewayStore, Queued

RETRY_S_MAX: Final = 600
RETRY_S_UNKNOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Admission:
    """Refuses before a body is read what the store would refuse after it."""

    store: GatewayStore

    async def check(self, queued: Queued) -> None:
        """Raise ClientQueueFull or Unavailable where not even one more image has room."""
        bounds = self.store.bounds
        if _is_full(queued.client_items, queued.client_bytes, bounds, bounds.client_share):
            raise await self.with_retry(
                ClientQueueFull(
                    f"you have {queued.client_items} images ({queued.client_bytes} bytes) queued; your bound is "
                    f"{int(bounds.items_max * bounds.client_share)} images "
                    f"({int(bounds.bytes_max * bounds.client_share)} bytes)"
                )
            )
        if _is_full(queued.items, queued.bytes, bounds, 1.0):
            raise await self.with_retry(
                Unavailable(
                    f"{queued.items} images ({queued.bytes} bytes) are queued; the bound is {bounds.items_max} images "
                    f"({bounds.bytes_max} bytes)",
                    code="queue_full",
                )
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


def _is_full(items: int, size: int, bounds: Bounds, share: float) -> bool:
    return items >= int(bounds.items_max * share) or size >= int(bounds.bytes_max * share)
