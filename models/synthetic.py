"""A model of known cost, for scheduling tests and benchmarks. It detects nothing: it waits and makes an answer up.

A batch of n images takes ``base_ms + item_ms * n``. The wait is a sleep, so that many such workers fit on one machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from models.detector import SIZE_MAX, Detections, DetectOptions, ModelSpec, Prepared
from models.letterbox import Letterbox

COST_MS_MAX = 600_000.0
STRIDE = 32
LABEL = "synthetic"


@dataclass(frozen=True)
class SyntheticOptions:
    """Costs in milliseconds; ``size`` the input in pixels a side, a multiple of 32."""

    base_ms: float = 5.0
    item_ms: float = 2.0
    size: int = 320

    def __post_init__(self) -> None:
        for name in ("base_ms", "item_ms"):
            cost = getattr(self, name)
            if not 0 <= cost <= COST_MS_MAX:
                raise ValueError(f"synthetic: {name} must be within 0 and {COST_MS_MAX:g} ms, got {cost:g}")
        if not STRIDE <= self.size <= SIZE_MAX or self.size % STRIDE:
            raise ValueError(f"synthetic: size must be a multiple of {STRIDE} up to {SIZE_MAX}, got {self.size}")

    @classmethod
    def parse(cls, text: str) -> SyntheticOptions:
        """From ``base_ms=5,item_ms=2``; the rest keeps its default. Raises ValueError that says what is allowed."""
        allowed = {field.name: int if field.name == "size" else float for field in fields(cls)}
        given: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (side.strip() for side in part.partition("="))
            if name not in allowed or name in given:
                problem = "is given twice" if name in given else "is no parameter"
                raise ValueError(
                    f"synthetic: {name!r} {problem}; allowed are {', '.join(allowed)}, as in base_ms=5,item_ms=2"
                )
            try:
                given[name] = allowed[name](value)
            except ValueError:
                raise ValueError(f"synthetic: {name} must be a number, got {value!r}") from None
        return cls(**given)  # type: ignore[arg-type]


def describe(name: str, options: SyntheticOptions) -> ModelSpec:
    """Its spec, which says everywhere that it is synthetic."""
    cost = f"{options.base_ms:g} ms + {options.item_ms:g} ms an image"
    text = f"synthetic model of known cost ({cost}); it detects nothing"
    return ModelSpec(name, "1", (LABEL,), (options.size,), STRIDE, synthetic=True, description=text)


class SyntheticDetector:
    """Answers each image with one box, the middle half of it a side, of score 0.5 and class ``synthetic``."""

    SCORE = 0.5

    def __init__(self, name: str, options: SyntheticOptions) -> None:
        self.spec = describe(name, options)
        self.options = options
        self._nothing = torch.zeros(3, 1, 1, dtype=torch.uint8)
        # Made once: tensors made anew for each image would cost time that is not in the model's known cost.
        self._scores, self._class_ids = torch.tensor([self.SCORE]), torch.tensor([0])

    def prepare(self, image: Tensor, size: int) -> Prepared:
        """Keeps the image's geometry only: pixels would cost time that is not in the model's known cost."""
        _, height, width = image.shape
        return Prepared(self._nothing, Letterbox.of(width, height, self.spec.check_size(size)))

    def warm(self, size: int, batch_sizes: Sequence[int]) -> None:  # noqa: ARG002 (the protocol's)
        """Nothing is dear the first time; only the size is checked."""
        self.spec.check_size(size)

    def detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        """Waits, and answers each image alike, by its own options."""
        if len(batch) != len(options):
            raise ValueError(f"{len(batch)} images came with {len(options)} options")
        if not batch:
            return []
        until = time.perf_counter() + (self.options.base_ms + self.options.item_ms * len(batch)) / 1000
        boxes = torch.tensor([[_middle(image.letterbox)] for image in batch])
        found = [self._answer(box, option) for box, option in zip(boxes, options, strict=True)]
        _wait_until(until)
        return found

    def _answer(self, box: Tensor, options: DetectOptions) -> Detections:
        if options.conf > self.SCORE:
            return Detections()
        return Detections(box, self._scores, self._class_ids)


def _middle(letterbox: Letterbox) -> tuple[float, float, float, float]:
    width, height = letterbox.width, letterbox.height
    return width / 4, height / 4, width * 3 / 4, height * 3 / 4


def _wait_until(moment: float) -> None:
    left = moment - time.perf_counter()
    if left > 0:
        time.sleep(left)
