"""What a worker knows of a model: the :class:`Detector` protocol and the records that go in and out.

A worker asks a detector for its :class:`ModelSpec`, lets decoding threads ``prepare`` images, and has its main thread
``detect`` a batch of them. Everything else (network, weights, device) is the detector's own affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from models.cores import IdleListener
from models.letterbox import Letterbox

SIZES_MAX = 6
"""Input sizes of one model: each is a lane with queues of its own, and is warmed when a worker starts."""
SIZE_MAX = 4096
"""Pixels a side of an input."""


@dataclass(frozen=True)
class ModelSpec:
    """What can be asked of a model.

    ``sizes`` are the input sizes in pixels a side that it serves, the default first, each a multiple of ``stride``.
    ``version`` changes whenever its weights do. ``synthetic`` says that it only pretends to detect.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    stride: int
    synthetic: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        if not self.labels or not self.sizes:
            raise ValueError(f"model {self.name!r} needs labels and at least one input size")
        if any(size < self.stride or size % self.stride for size in self.sizes):
            raise ValueError(f"input sizes of {self.name!r} must be multiples of {self.stride}, got {self.sizes}")
        if len(self.sizes) > SIZES_MAX or max(self.sizes) > SIZE_MAX or len(set(self.sizes)) < len(self.sizes):
            served = ", ".join(map(str, self.sizes))
            raise ValueError(
                f"model {self.name!r} may have {SIZES_MAX} different input sizes up to {SIZE_MAX}, got {served}"
            )

    def check_size(self, size: int) -> int:
        """``size`` where it is served; else ValueError that names those that are."""
        if size not in self.sizes:
            served = ", ".join(str(known) for known in sorted(self.sizes))
            raise ValueError(f"model {self.name!r} has no input size {size}; it has {served}")
        return size


@dataclass(frozen=True)
class DetectOptions:
    """What a client may choose for an image: the least score (0 to 1), the IoU above which of two boxes of a class only
    the surer stays (0 to 1), and how many boxes at most.
    """

    conf: float = 0.25
    iou: float = 0.7
    max_detections: int = 300

    def __post_init__(self) -> None:
        if not 0 <= self.conf <= 1 or not 0 <= self.iou <= 1:
            raise ValueError(f"conf and iou must be within 0 and 1, got {self.conf} and {self.iou}")
        if self.max_detections < 1:
            raise ValueError(f"max_detections must be at least 1, got {self.max_detections}")


@dataclass(frozen=True)
class Prepared:
    """An image ready for a batch: ``pixels`` (3, size, size) uint8 RGB on the CPU, and where the image lies in it."""

    pixels: Tensor
    letterbox: Letterbox


def _no_boxes() -> Tensor:
    return torch.zeros(0, 4)


@dataclass(frozen=True)
class Detections:
    """An image's objects, the surest first, on the CPU: ``boxes`` (n, 4) float xyxy in pixels of the original image,
    within it, ``scores`` (n,) in 0..1, ``class_ids`` (n,) int64.
    """

    boxes: Tensor = field(default_factory=_no_boxes)
    scores: Tensor = field(default_factory=lambda: torch.zeros(0))
    class_ids: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """A loaded model on a device."""

    @property
    def spec(self) -> ModelSpec:
        """What can be asked of it."""
        ...

    def prepare(self, image: Tensor, size: int) -> Prepared:
        """Fits a decoded image, (3, H, W) uint8 RGB, to an input ``size``. Any number of threads may call it at once.

        Raises ValueError for another shape or type, or a size that is not served.
        """

    def warm(self, size: int, batch_sizes: Sequence[int]) -> None:
        """Pays once, before the first user does, for whatever the first run of these shapes costs."""

    def detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        """The objects of each image, in order, with each its own options. Images of a batch are of one size.

        Called from the process's main thread only (a second thread would halve torch's speed). Raises ValueError where
        lengths or sizes differ, and whatever the device raises.
        """


@runtime_checkable
class TellsIdleCores(Protocol):
    """A detector that knows when it leaves cores idle that it will want again soon."""

    def tell_idle_cores(self, listener: IdleListener) -> None:
        """From now on tell ``listener`` how many cores nothing is computed on, whenever that changes; from any thread.

        ``listener`` must return at once: what is computed waits for it.
        """
