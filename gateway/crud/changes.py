"""Who waits for which job: one listener a process wakes them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from redis.exceptions import RedisError

from tenfold.store.gateway_store import GatewayStore

RECHECK_S: Final = 3.0
"""A waiter looks for itself this often: a change may be missed while the line is down."""
RETRY_S: Final = 0.5

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Watcher:
    """Waits for one job to move on."""

    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout_s: float) -> None:
        """Return when the job moved since the last call, or after ``timeout_s`` seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, RECHECK_S)):
                await self._moved.wait()
        self._moved.clear()

    def wake(self) -> None:
        """The job moved."""
        self._moved.set()


@dataclass(eq=False, slots=True)
class Changes:
    """The watchers of this process by job.

    Attributes:
        closing: the process stops; who waits should answer with what there is.
    """

    store: GatewayStore
    closing: bool = False
    _watchers: dict[str, set[Watcher]] = field(default_factory=dict)

    @contextlib.contextmanager
    def watch(self, job_id: str) -> Iterator[Watcher]:
        """A watcher of ``job_id`` for the length of the block; enter it before the job can move."""
        watcher = Watcher()
        self._watchers.setdefault(job_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[job_id].discard(watcher)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    async def listen(self) -> None:
        """Wake watchers as changes come in, for ever; Redis may go and come back."""
        told_of = ""
        while True:
            try:
                async with contextlib.aclosing(self.store.changes()) as changes:
                    async for job_id in changes:
                        told_of = ""
                        self.wake(job_id)
            except (RedisError, OSError) as error:
                # Tried twice a second: an outage is told once, not for as long as it lasts.
                log.log(logging.DEBUG if str(error) == told_of else logging.WARNING, "no word of changes: %s", error)
                told_of = str(error)
            await asyncio.sleep(RETRY_S)
            self.wake_all()

    def wake(self, job_id: str) -> None:
        """``job_id`` moved on."""
        for watcher in self._watchers.get(job_id, ()):
            watcher.wake()

    def wake_all(self) -> None:
        """Any job may have moved on."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.wake()

    def close(self) -> None:
        """The process stops: everybody looks once more."""
        self.closing = True
        self.wake_all()
