"""The worker's pulse, on a thread of its own: it renews the leases while the main thread computes.

It is also what ends a process that can no longer be reasoned with: a call into C that hangs cannot be interrupted, so
when a batch computes longer than ``batch_timeout_s``, or an orderly stop takes longer than its grace, the beat stops
and the process exits. The leases then run out, and the reaper gives the batches to others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis.exceptions import RedisError

log = logging.getLogger(__name__)

EXIT_HUNG = 70
"""The process's exit status where a batch or a stop took too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: how often to beat, how long a batch may compute, how long a stop may take."""

    interval_s: float
    batch_timeout_s: float
    grace_s: float


def beat_interval_s(lease_s: float) -> float:
    """A third of the lease, so that two beats may be missed; 5 seconds at most."""
    return min(lease_s / 3, 5.0)


class Held:
    """The batches that this worker holds, and since when the main thread computes one. Shared by the two threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._batches: set[str] = set()
        self._computing_since: float | None = None

    def add(self, batch_id: str) -> None:
        """A lease was taken."""
        with self._lock:
            self._batches.add(batch_id)

    def remove(self, batch_id: str) -> None:
        """The lease was given up, or is known to be lost."""
        with self._lock:
            self._batches.discard(batch_id)

    def batches(self) -> Sequence[str]:
        """All leases held now."""
        with self._lock:
            return sorted(self._batches)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """While inside, the batch timeout runs."""
        self._computing_since = self._clock()
        try:
            yield
        finally:
            self._computing_since = None

    def computing_s(self) -> float:
        """For how long the main thread has computed its batch; 0 where it computes none."""
        since = self._computing_since
        return 0.0 if since is None else self._clock() - since


class Beat:
    """The thread. ``pulse`` is called every ``limits.interval_s`` with the batches held; Redis errors are its to raise.

    Args:
        stopping_s: for how long the worker has been told to stop; 0 where it has not.
        end: ends the process (a test hands in something milder).
    """

    def __init__(
        self,
        held: Held,
        limits: Limits,
        pulse: Callable[[Sequence[str]], None],
        stopping_s: Callable[[], float],
        end: Callable[[str], None] | None = None,
    ) -> None:
        self._held = held
        self._limits = limits
        self._pulse = pulse
        self._stopping_s = stopping_s
        self._end = end or end_process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._reachable = True

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; returns when the thread has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        next_beat = 0.0
        while True:
            reason = self.overdue()
            if reason:
                self._end(reason)
                return
            if time.monotonic() >= next_beat:
                self._beat()
                next_beat = time.monotonic() + self._limits.interval_s
            # Looking often is cheap, and makes the two bounds above exact to a quarter of a second.
            if self._stop.wait(min(0.25, max(0.0, next_beat - time.monotonic()))):
                return

    def overdue(self) -> str | None:
        """Why the process has to end, or None."""
        if self._held.computing_s() > self._limits.batch_timeout_s:
            return f"a batch has computed for more than {self._limits.batch_timeout_s:g} s (TENFOLD_BATCH_TIMEOUT_S)"
        if self._stopping_s() > self._limits.grace_s:
            return f"stopping took more than {self._limits.grace_s:g} s (TENFOLD_GRACE_S)"
        return None

    def _beat(self) -> None:
        try:
            self._pulse(self._held.batches())
        except RedisError as error:
            if self._reachable:
                log.warning("no beat: Redis does not answer (%s); trying on", error)
            self._reachable = False
            return
        if not self._reachable:
            log.info("Redis answers again")
        self._reachable = True


def end_process(reason: str) -> None:
    """End this process at once, whatever its other threads do."""
    log.critical("%s: this process ends; its batch will be run by another", reason)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(EXIT_HUNG)
