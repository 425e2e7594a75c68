"""Waiting for a Redis that is away: with growing pauses, and one line in the log each way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from inference_worker.stopping import StopFlag

log = logging.getLogger("tenfold.worker")

T = TypeVar("T")

PAUSE_LEAST_S = 0.1
PAUSE_MOST_S = 2.0


class Outage:
    """Whether Redis is away, and for how long to pause before the next try."""

    def __init__(self, stop: StopFlag, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stop = stop
        self._sleep = sleep
        self._pause_s = 0.0

    def noticed(self, error: RedisError) -> None:
        """A call failed: say so once, then pause; each pause is longer than the one before."""
        if self._pause_s == 0:
            log.warning("Redis does not answer (%s): waiting for it", error)
        # A worker that is to stop has little time left for its last commit.
        longest_s = PAUSE_LEAST_S if self._stop else PAUSE_MOST_S
        self._pause_s = min(longest_s, max(PAUSE_LEAST_S, self._pause_s * 2))
        self._sleep(self._pause_s)

    def over(self) -> None:
        """A call went through."""
        if self._pause_s:
            log.info("Redis answers again")
        self._pause_s = 0.0

    def retry(self, call: Callable[[], T], refused_s: float = 0.0) -> T:
        """Call until Redis answers. The beat's thread ends the process when a stop takes longer than its grace.

        Args:
            refused_s: for how long to go on where the server answers and refuses (no memory, read-only, disk full).

        Raises:
            RedisError: the server still refuses.
        """
        refused_since: float | None = None
        while True:
            try:
                answer = call()
            except (RedisConnectionError, RedisTimeoutError) as error:
                self.noticed(error)
            except RedisError as error:
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since >= refused_s:
                    raise
                self.noticed(error)
            else:
                self.over()
                return answer
