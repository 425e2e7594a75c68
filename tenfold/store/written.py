"""Whether Redis' append-only file holds what was just written: what a crash of Redis alone cannot take back.

With ``appendfsync everysec`` Redis writes its file before it answers, but for one case: while an earlier fsync still
runs, it holds the write back for up to two seconds and answers all the same (``flushAppendOnlyFile`` in Redis' aof.c).
On a busy disk that is often, and a Redis that is killed then has promised what it forgets.
"""

from __future__ import annotations

import asyncio

from tenfold.contract.errors import Unavailable
from tenfold.store.connection import AsyncBytesRedis

WITHIN_S = 10.0
"""Redis writes after two seconds at the latest; then its write itself may wait for the disk."""

_LOOK_S = 0.01


async def until_written(client: AsyncBytesRedis) -> None:
    """Wait until the append-only file holds everything that was answered before this call; it is seldom a wait at all.

    A Redis that crashed and is up again looks as if it had written all that was asked of it: read back afterwards what
    you mean to promise.

    Raises:
        Unavailable: the file did not take it in time (``not_durable``). It may be there all the same.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            await _until_flushed(client)
    except TimeoutError:
        raise not_durable(f"Redis' append-only file did not take it within {WITHIN_S:.0f} s") from None


def not_durable(why: str) -> Unavailable:
    """What was accepted may be forgotten by a crash, or is; sending it again under its key does no harm."""
    return Unavailable(why, code="not_durable", retry_after_s=5)


async def _until_flushed(client: AsyncBytesRedis) -> None:
    size = None
    while True:
        info = await client.info("persistence")
        # Without a file there is nothing to wait for (the scheduler has warned). Where no fsync runs, Redis has written
        # before it answered this very question; an empty buffer says the same, and so does a file that has grown since.
        if not (info.get("aof_enabled") and info.get("aof_pending_bio_fsync") and info.get("aof_buffer_length")):
            return
        if size is not None and info["aof_current_size"] != size:
            return
        size = info["aof_current_size"]
        await asyncio.sleep(_LOOK_S)
