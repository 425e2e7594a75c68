"""Work in threads whose results somebody awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *args: object, threads: Executor | None = None) -> T:
    """``call(*args)`` in a thread of ``threads``, or of the loop's own.

    Whoever is cancelled meanwhile waits for its end: a thread cannot be stopped, and what it works on (a file, a turn
    among few) must not be given to others, or closed, under its hands.
    """
    work = asyncio.get_running_loop().run_in_executor(threads, lambda: call(*args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()  # nobody is left who could want it
        raise
