"""Redis' clock, read rarely: what a gateway writes must compare with what other machines write."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from tenfold.store.gateway_store import GatewayStore

SYNC_S: Final = 10.0


@dataclass(slots=True)
class StoreClock:
    """Milliseconds since the epoch on Redis' clock; it is asked every ten seconds, and counted on in between."""

    store: GatewayStore
    _synced_s: float = field(default=float("-inf"), init=False)
    _synced_ms: float = field(default=0.0, init=False)

    async def now_ms(self) -> float:
        """The time now. Raises Redis' errors when it must ask and gets no answer."""
        now_s = time.monotonic()
        if now_s - self._synced_s > SYNC_S:
            self._synced_ms = await self.store.now_ms()
            asked_s, now_s = now_s, time.monotonic()
            # Redis looked somewhere on the way there and back; a job must not seem older than its request.
            self._synced_s = (asked_s + now_s) / 2
        return self._synced_ms + (now_s - self._synced_s) * 1000
