"""The core's settings: frozen, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tenfold.contract.errors import SettingsError
from tenfold.contract.records import Priority

LEVELS_MAX = 8


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What the feedback queue can be told.

    Attributes:
        epoch: prefix of this core's batch ids; each successor's is larger.
        batch_size: items that a batch holds at most.
        tick_ms: how long an item waits at most for its batch to fill while a worker could take it.
        idle_tick_ms: a partial batch goes when nothing came for so long; also the most that filling may add.
        dispatch: ``adaptive`` lets a partial batch go as soon as a worker would take it, ``tick`` not before the tick.
        levels: how many levels there are, 2 or more; 0 is the most urgent.
        allotments: items that a job is served at each level but the last before it sinks.
        quantum: items that a client is served in one turn of a ring.
        boost_after_ms: how long a job goes without a start before it ages.
        client_lead_ms: service that a client may be ahead of the least-served one.

    Raises:
        SettingsError: a value outside what is allowed.
    """

    epoch: int = 0
    batch_size: int = 10
    tick_ms: float = 20.0
    idle_tick_ms: float = 5.0
    dispatch: str = "adaptive"
    levels: int = 3
    allotments: tuple[int, ...] = (10, 50)
    quantum: int = 10
    boost_after_ms: float = 2000.0
    client_lead_ms: float = 500.0

    def __post_init__(self) -> None:
        _require(2 <= self.levels <= LEVELS_MAX, "levels", self.levels, f"2 to {LEVELS_MAX}")
        _require(self.dispatch in {"adaptive", "tick"}, "dispatch", self.dispatch, "adaptive or tick")
        _require(
            len(self.allotments) == self.levels - 1 and all(items >= 1 for items in self.allotments),
            "allotments",
            self.allotments,
            f"{self.levels - 1} numbers of 1 or more, one for each level but the last",
        )
        for name in ("batch_size", "quantum"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("tick_ms", "idle_tick_ms", "boost_after_ms", "client_lead_ms"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0, name, value, "0 or more milliseconds")

    @property
    def last_level(self) -> int:
        """The least urgent level."""
        return self.levels - 1

    def entry_level(self, priority: Priority, count: int) -> int:
        """The level at which a job of ``count`` images enters: where its last image would be served."""
        if priority is Priority.HIGH:
            return 0
        if priority is Priority.LOW:
            return self.last_level
        allowed = 0
        for level, items in enumerate(self.allotments):
            allowed += items
            if count <= allowed:
                return level
        return self.last_level

    def allotment(self, level: int) -> float:
        """Items that a job is served at ``level`` before it sinks; without end at the last."""
        return self.allotments[level] if level < self.last_level else math.inf


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise SettingsError(f"{name} is {value!r}: allowed is {allowed}")
