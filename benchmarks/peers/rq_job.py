"""What the RQ worker runs: in a module that the gateway can import without the model."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _engine() -> Any:
    from benchmarks.engine import Engine

    return Engine()


def warm() -> None:
    """Load the model before the first job."""
    _engine()


def detect(image: bytes) -> Any:
    """One picture."""
    return _engine().detect([image])[0]
