"""A body as it arrives: whoever sends nothing for too long is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from tenfold.contract.errors import InvalidRequest

STALL_S: Final = 30.0
"""A body that sends nothing for so long is given up; well within the lifetime of an upload."""


async def in_time(body: AsyncIterator[bytes], stall_s: float = STALL_S) -> AsyncIterator[bytes]:
    """The chunks of ``body``.

    Raises:
        InvalidRequest: nothing came for ``stall_s`` seconds (``upload_stalled``).
    """
    while True:
        try:
            async with asyncio.timeout(stall_s):
                chunk = await anext(body, None)
        except TimeoutError:
            raise InvalidRequest(f"the body sent nothing for {stall_s:.0f} s", code="upload_stalled") from None
        if chunk is None:
            return
        yield chunk
