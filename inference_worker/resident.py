"""A model that stays in the process: loaded once, warmed once, before its first batch is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import msgspec
import torch

from inference_worker.detecting import CarefulDetector
from models.cores import IdleListener
from models.detector import DetectOptions, Detector, TellsIdleCores
from models.registry import load
from tenfold.contract.records import ModelInfo

WARM_RUNS = 3
"""Timed runs of each shape, at most: the cost curve starts from their medians."""
WARM_MS = 300.0
"""A shape that has been timed for so long is known well enough."""

RecordCost = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded detector with what it announces.

    Attributes:
        careful: runs it so that only the images at fault fail.
        spares_cores: computing leaves the processor to others: a GPU computes, or it only waits.
    """

    detector: Detector
    info: ModelInfo
    careful: CarefulDetector
    spares_cores: bool = False

    @classmethod
    def of(cls, detector: Detector, source: str = "", *, spares_cores: bool = False) -> Resident:
        """``detector``, which was asked for as ``source``."""
        spec = detector.spec
        info = ModelInfo(
            name=spec.name,
            version=spec.version,
            labels=list(spec.labels),
            sizes=list(spec.sizes),
            description=spec.description,
            synthetic=spec.synthetic,
            source=source,
        )
        return cls(detector, info, CarefulDetector(detector), spares_cores)

    @classmethod
    def load(cls, source: str, device: torch.device) -> Resident:
        """Load the model called ``source``. Raises as ``models.registry.load`` does."""
        detector = load(source, device)
        return cls.of(detector, source, spares_cores=device.type != "cpu" or detector.spec.synthetic)

    @property
    def lanes(self) -> list[str]:
        """The lanes that it serves, the default size's first."""
        return self.info.lanes

    @property
    def looks_ahead(self) -> bool:
        """Images of a next batch can be decoded beside it: it leaves cores to others, or tells which it leaves."""
        return self.spares_cores or isinstance(self.detector, TellsIdleCores)

    def tell_idle_cores(self, listener: IdleListener) -> None:
        """Have ``listener`` told which cores the detector leaves idle while it computes, where it can tell."""
        if not self.spares_cores and isinstance(self.detector, TellsIdleCores):
            self.detector.tell_idle_cores(listener)

    def limited_to(self, sizes: Collection[int]) -> Resident:
        """The same, announcing those of its sizes alone, in its own order."""
        served = [size for size in self.info.sizes if size in sizes]
        return replace(self, info=msgspec.structs.replace(self.info, sizes=served))

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
