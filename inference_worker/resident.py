"""The model that stays in the process: loaded once, warmed once, before the first batch is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.detector import DetectOptions, Detector
from models.registry import load
from tenfold.contract.records import ModelInfo

WARM_RUNS = 3
"""Timed runs of each shape: the cost curve starts from their medians."""

RecordCost = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded detector with what it announces."""

    detector: Detector
    info: ModelInfo

    @classmethod
    def load(cls, name: str, device: torch.device) -> Resident:
        """Load the model called ``name``. Raises as ``models.registry.load`` does."""
        detector = load(name, device)
        spec = detector.spec
        info = ModelInfo(
            name=spec.name,
            version=spec.version,
            labels=list(spec.labels),
            sizes=list(spec.sizes),
            description=spec.description,
            synthetic=spec.synthetic,
        )
        return cls(detector, info)

    @property
    def lanes(self) -> list[str]:
        """The lanes that it serves, the default size's first."""
        return [self.info.lane(size) for size in self.info.sizes]

    def warm(self, batch_size: int, record_cost: RecordCost) -> None:
        """Run every size once at 1 and at ``batch_size`` images, then tell (lane, images, ms) of some timed runs."""
        for size in self.info.sizes:
            self.detector.warm(size, [1, batch_size])
            for images in sorted({1, batch_size}):
                for _ in range(WARM_RUNS):
                    record_cost(self.info.lane(size), images, self._timed_run(size, images))

    def _timed_run(self, size: int, images: int) -> float:
        blank = torch.zeros(3, size, size, dtype=torch.uint8)
        batch = [self.detector.prepare(blank, size)] * images
        began = time.perf_counter()
        self.detector.detect(batch, [DetectOptions()] * images)
        return (time.perf_counter() - began) * 1000
