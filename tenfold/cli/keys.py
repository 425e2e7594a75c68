"""Keys that are pressed while a screen is shown: read one by one, and not written into what is shown."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import Final

CTRL_D: Final = "\x04"


@contextlib.contextmanager
def pressed_at_once() -> Iterator[bool]:
    """The terminal gives each key at once and shows none; whether it does: no terminal, no keys. As before, after."""
    try:
        import termios

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (ImportError, OSError, ValueError, termios.error):
        yield False
        return
    now = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    # Drained, not flushed: what is typed ahead is the shell's.
    termios.tcsetattr(terminal, termios.TCSADRAIN, now)
    try:
        yield True
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def next_key(wait_s: float) -> str:
    """The keys that are pressed within `wait_s`, or "" where none is."""
    if not select.select([sys.stdin], [], [], wait_s)[0]:
        return ""
    return os.read(sys.stdin.fileno(), 64).decode(errors="replace") or CTRL_D


def no_key(wait_s: float) -> str:
    """The same where there are none to press."""
    time.sleep(wait_s)
    return ""
