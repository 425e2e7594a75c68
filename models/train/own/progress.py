"""How far a run is, as plain numbers: they lie in its checkpoint, its log and its curve."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from models.train.loss import Loss


@dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1: mean losses, the learning rate at its end, average precisions on the val pictures
    (None where they hold no object), and the seconds that the run has taken so far.
    """

    epoch: int
    step: int
    loss: float
    box: float
    classes: float
    edges: float
    rate: float
    map50: float | None
    map50_95: float | None
    seconds: float

    def row(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return asdict(self)


@dataclass
class LossSums:
    """The losses of an epoch so far."""

    steps: int = 0
    total: float = 0.0
    box: float = 0.0
    classes: float = 0.0
    edges: float = 0.0

    def add(self, loss: Loss) -> None:
        """Counts one step."""
        self.steps += 1
        self.total += float(loss.total.detach())
        self.box += loss.box
        self.classes += loss.classes
        self.edges += loss.edges

    def means(self) -> dict[str, float]:
        """By the names of :class:`Epoch`'s fields."""
        sums = {"loss": self.total, "box": self.box, "classes": self.classes, "edges": self.edges}
        return {name: round(value / max(1, self.steps), 5) for name, value in sums.items()}


@dataclass
class RunProgress:
    """``samples`` seen, epochs that are closed, losses of the one that is not, and which epoch was the best."""

    samples: int = 0
    seconds: float = 0.0
    sums: LossSums = field(default_factory=LossSums)
    epochs: list[Epoch] = field(default_factory=list)

    def best(self) -> Epoch | None:
        """The epoch of the highest average precision, of equals the last; the last where there is none to compare."""
        return max(self.epochs, key=lambda one: (_or_less(one.map50_95), one.epoch), default=None)

    def state(self) -> dict[str, Any]:
        """What :meth:`of` reads."""
        return {
            "samples": self.samples,
            "seconds": self.seconds,
            "sums": asdict(self.sums),
            "epochs": [epoch.row() for epoch in self.epochs],
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> RunProgress:
        """From :meth:`state`."""
        epochs = [Epoch(**row) for row in state["epochs"]]
        return cls(state["samples"], state["seconds"], LossSums(**state["sums"]), epochs)


def known(figure: float) -> float | None:
    """An average precision, rounded; None for nan, which JSON does not have."""
    return None if math.isnan(figure) else round(figure, 5)


def _or_less(figure: float | None) -> float:
    return -1.0 if figure is None else figure
