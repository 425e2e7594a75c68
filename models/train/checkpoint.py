"""Training's state on disk, so that it can be stopped at any moment and gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Progress:
    """How far training is: steps, scenes seen, and seconds spent, over all its runs."""

    step: int = 0
    scenes: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes all of it in one move, so that a kill leaves the old file or the new one."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def load(path: Path) -> dict[str, Any]:
    """What :func:`save` wrote: tensors (on the CPU), numbers, text. What else is in the file is refused, not run."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
