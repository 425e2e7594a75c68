"""What a long run has measured so far, on the disk after each step, so that an interrupted run can go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class _Step(msgspec.Struct):
    at: str
    found: Any


@dataclass
class Ledger:
    """Finished steps by name, kept in ``path``.

    Attributes:
        reused: how many steps were taken from an earlier run.
    """

    path: Path
    reused: int = 0
    _steps: dict[str, _Step] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path, *, resume: bool) -> Ledger:
        """An empty one, or with ``resume`` what is there already."""
        ledger = cls(path)
        if resume and path.exists():
            ledger._steps = msgspec.json.decode(path.read_bytes(), type=dict[str, _Step])
        return ledger

    def step(self, name: str, kind: type[T], measure: Callable[[], T]) -> T:
        """What ``measure`` finds, or found before under this name."""
        if name in self._steps:
            self.reused += 1
            return msgspec.convert(self._steps[name].found, kind)
        found = measure()
        self._steps[name] = _Step(time.strftime("%Y-%m-%dT%H:%M:%S%z"), msgspec.to_builtins(found))
        self._save()
        return found

    def has(self, *names: str) -> bool:
        """Whether all these steps are finished."""
        return all(name in self._steps for name in names)

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".part")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(self._steps), indent=1))
        partial.replace(self.path)
