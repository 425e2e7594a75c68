"""Being told to stop: a signal sets a flag, and the main thread looks at it where it can stop in order."""

from __future__ import annotations

import logging
import os
import signal
import time
from types import FrameType

log = logging.getLogger(__name__)

SAME_STOP_S = 1.0
"""A terminal's Ctrl-C reaches a process directly and through its supervisor: within this they are one."""


class StopFlag:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._at_once = False

    def install(self, *, at_once: bool = False) -> None:
        """Take over the two signals. Main thread only.

        Args:
            at_once: until :meth:`defer` is called, a signal ends the process there and then, with status 0: while a
                model loads or Redis is waited for, nothing is held that would have to be given back.
        """
        self._at_once = at_once
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def defer(self) -> None:
        """From now on a signal sets the flag alone."""
        self._at_once = False

    def set(self) -> None:
        """Ask for a stop, as the first signal does."""
        self._since = time.monotonic()

    def __bool__(self) -> bool:
        return self._since is not None

    def stopping_s(self) -> float:
        """Seconds since the first signal; 0 where there was none."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._at_once:
            raise SystemExit(0)
        if self._since is None:
            self.set()
        elif self.stopping_s() > SAME_STOP_S:
            os._exit(128 + number)
