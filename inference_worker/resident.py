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
"""Timed runs of each shape, at most: the cost curve starts from their medians."""
WARM_MS = 300.0
"""A shape that has been timed for so long is known well enough."""

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
                for took_ms in self._timed_runs(size, images):
                    record_cost(self.info.lane(size), images, took_ms)

    def _timed_runs(self, size: int, images: int) -> list[float]:
        runs = [self._timed_run(size, images)]
        while len(runs) < WARM_RUNS and sum(runs) < WARM_MS:
            runs.append(self._timed_run(size, images))
        return runs

    def _timed_run(self, size: int, images: int) -> float:
        blank = torch.zeros(3, size, size, dtype=torch.uint8)
        batch = [self.detector.prepare(blank, size)] * images
        began = time.perf_counter()
        self.detector.detect(batch, [DetectOptions()] * images)
        return (time.perf_counter() - began) * 1000
