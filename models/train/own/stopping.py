"""Stopping a run in order: the first Ctrl-C (or SIGTERM) asks for it, a second one does not wait."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class Stopping:
    """While entered, signals set ``asked``. The main thread's affair, as signals are."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
