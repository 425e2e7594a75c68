"""What a run is told once, at its beginning; it lies beside its checkpoint, so that going on needs no flag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.train.datasets.reading import Source
from models.yolo.network import STRIDES

SIZE_MIN, SIZE_MAX = 64, 1280
FINE_RATE, FRESH_RATE = 1e-3, 2.5e-3
"""Weights that know something already are moved by smaller steps."""


@dataclass(frozen=True)
class RunOptions:
    """``rate`` is AdamW's highest learning rate. ``weights`` is where to begin: ``demo``, ``none`` (from scratch, a
    network as ``network`` says) or a weights file of an earlier training. ``mosaic`` is the share of pictures that are
    put together from four, ``flip`` whether a mirrored object is the same object.
    """

    data: str
    images: str | None = None
    epochs: int = 60
    size: int = 320
    batch: int = 16
    rate: float = FINE_RATE
    seed: int = 1
    weights: str = "demo"
    network: str = "nano"
    mosaic: float = 0.5
    flip: bool = True
    val_share: float = 0.15
    skip_faults: bool = False

    def __post_init__(self) -> None:
        _check(1 <= self.epochs <= 100_000, "--epochs", self.epochs, "1 to 100000")
        fits = SIZE_MIN <= self.size <= SIZE_MAX and self.size % max(STRIDES) == 0
        _check(fits, "--size", self.size, f"a multiple of {max(STRIDES)} from {SIZE_MIN} to {SIZE_MAX}")
        _check(1 <= self.batch <= 1024, "--batch", self.batch, "1 to 1024")
        _check(0 < self.rate <= 1, "--lr", self.rate, "more than 0 and at most 1")
        _check(0 <= self.mosaic <= 1, "--mosaic", self.mosaic, "0 to 1")
        _check(0 < self.val_share < 1, "--val-share", self.val_share, "more than 0 and less than 1")
        _check(self.seed >= 0, "--seed", self.seed, "0 or more")

    def source(self) -> Source:
        """Where the data set lies."""
        images = None if self.images is None else Path(self.images)
        return Source(Path(self.data), images, self.val_share, self.seed, self.skip_faults)


@dataclass(frozen=True)
class Machine:
    """What a run computes with; may be another one when it goes on. ``cache_mib`` bounds the shrunk pictures that are
    kept in memory, of each part.
    """

    device: str = "cpu"
    workers: int = 1
    threads: int | None = None
    cache_mib: int = 1024
    save_every_s: float = 300.0

    def __post_init__(self) -> None:
        _check(0 <= self.workers <= 64, "--workers", self.workers, "0 to 64")
        _check(self.threads is None or 1 <= self.threads <= 1024, "--threads", self.threads, "1 to 1024")
        _check(self.cache_mib >= 0, "--cache-mib", self.cache_mib, "0 or more")


def _check(right: bool, name: str, value: object, allowed: str) -> None:
    if not right:
        raise ValueError(f"{name} is {value}; allowed is {allowed}")
