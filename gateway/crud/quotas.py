"""How many images a key may send within a minute, counted in Redis over all gateways.

A sliding window, so that no turn of a minute lets twice as many in. The headers are those of the IETF's draft on
RateLimit header fields (draft-ietf-httpapi-ratelimit-headers).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.crud.clients import Client
from tenfold.contract.errors import RequestError, TooLarge
from tenfold.store.gateway_store import GatewayStore

WINDOW_S: Final = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left to a key.

    Attributes:
        most: images within the window.
        left: images that it may send now.
        wait_s: until what was asked for is free, or until more is; whole seconds, never too early.
    """

    most: int
    left: int
    wait_s: int

    @property
    def headers(self) -> Mapping[str, str]:
        """As a client reads it."""
        return {
            "RateLimit-Policy": f'"images";q={self.most};w={WINDOW_S}',
            "RateLimit": f'"images";r={self.left};t={self.wait_s}',
        }


class QuotaExceeded(RequestError):
    """The key sent as many images as it may within the window."""

    code = "quota_exceeded"

    def __init__(self, message: str, quota: Quota) -> None:
        super().__init__(message, retry_after_s=quota.wait_s)
        self.headers = quota.headers


@dataclass(frozen=True, slots=True)
class Quotas:
    """Takes from and looks at what keys have left. Clients without a limit cost no round trip."""

    store: GatewayStore

    async def check(self, client: Client) -> None:
        """Before a body is read: raise QuotaExceeded where not even one image is left."""
        await self._ask(client, 0)

    async def take(self, client: Client, images: int) -> Quota | None:
        """Take so many images; what is left, or None where the client has no limit.

        Raises:
            QuotaExceeded: so many are not left; nothing is taken.
            TooLarge: it may never send so many at once.
        """
        if client.images_per_min is not None and images > client.images_per_min:
            raise TooLarge(
                f"this key may send {client.images_per_min} images a minute, and this job has {images}: it could never "
                "be taken; send it in parts",
                code="too_many_images",
            )
        return await self._ask(client, images)

    async def give_back(self, client: Client, images: int) -> None:
        """Images that were taken and not accepted."""
        if client.images_per_min is not None:
            await self.store.give_back_quota(client.id, images)

    async def _ask(self, client: Client, images: int) -> Quota | None:
        most = client.images_per_min
        if most is None:
            return None
        taken, left, wait_ms = await self.store.take_quota(client.id, images, most)
        quota = Quota(most, left, math.ceil(wait_ms / 1000))
        if not taken:
            raise QuotaExceeded(
                f"this key may send {most} images a minute; {left} are left now, and what was asked for is free in "
                f"{quota.wait_s} s",
                quota,
            )
        return quota
