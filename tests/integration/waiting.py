"""Waiting for what another process or thread brings about."""

import time
from collections.abc import Callable

LOOK_S = 0.005


def wait_for(condition: Callable[[], object], what: str = "what was waited for", within_s: float = 120.0) -> None:
    """Return once ``condition`` holds; fail, by the name ``what``, where it does not within ``within_s`` seconds."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s, f"{what} did not come within {within_s:g} s"
        time.sleep(LOOK_S)
