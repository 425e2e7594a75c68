"""Redis' clock, read now and then and carried on by this machine's monotonic one."""

from __future__ import annotations

import time

from tenfold.store.connection import BytesRedis

MEASURE_EACH_S = 10.0


class RedisClock:
    """Milliseconds since the epoch on Redis' clock: machines' clocks differ, Redis is one."""

    def __init__(self, client: BytesRedis) -> None:
        self._client = client
        self._offset_ms = 0.0
        self._measured_s = float("-inf")

    def now_ms(self) -> float:
        """The time; asks Redis every :data:`MEASURE_EACH_S` seconds."""
        if time.monotonic() - self._measured_s > MEASURE_EACH_S:
            self._measure()
        return time.monotonic() * 1000 + self._offset_ms

    def _measure(self) -> None:
        before_s = time.monotonic()
        seconds, micros = self._client.time()
        after_s = time.monotonic()
        self._offset_ms = seconds * 1000 + micros / 1000 - (before_s + after_s) / 2 * 1000
        self._measured_s = after_s
