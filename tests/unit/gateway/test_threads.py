import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from gateway.crud.threads import in_thread


def test_who_is_cancelled_waits_for_the_thread() -> None:
    """Its work has ended when the cancellation is told, however it ended; a second call gets what it returns."""
    entered, may, ended = Event(), Event(), Event()

    def work() -> None:
        entered.set()
        assert may.wait(10)
        ended.set()
        raise ValueError("nobody hears that")

    async def leave() -> None:
        with ThreadPoolExecutor(1) as threads:
            working = asyncio.create_task(in_thread(work, threads=threads))
            await asyncio.to_thread(entered.wait, 10)
            working.cancel()
            asyncio.get_running_loop().call_later(0.05, may.set)
            with pytest.raises(asyncio.CancelledError):
                await working
            assert ended.is_set()
            assert await in_thread(max, 1, 2, threads=threads) == 2

    asyncio.run(leave())


def test_what_the_thread_raises_is_raised() -> None:
    """As a plain call would."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divmod, 1, 0))
