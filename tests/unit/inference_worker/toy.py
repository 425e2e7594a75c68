"""A detector for tests: quick, countable, and failing where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

from models.detector import Detections, DetectOptions, ModelSpec, Prepared
from models.letterbox import Letterbox

POISON = (255, 0, 255)
SIZE = 64


def picture(colour: tuple[int, int, int] = (10, 200, 30), width: int = 32, height: int = 24) -> bytes:
    """A small picture of one colour, without loss."""
    out = BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


@dataclass
class Toy:
    """Finds one box in every image; raises ``failure`` for a batch that has a :data:`POISON` image in it.

    Attributes:
        runs: how many images each call had.
        before: called with the number of the call before it answers.
    """

    failure: Exception = field(default_factory=lambda: RuntimeError("a poisoned image"))
    runs: list[int] = field(default_factory=list)
    before: Callable[[int], object] | None = None
    spec: ModelSpec = field(default_factory=lambda: ModelSpec("toy", "1", ("thing",), (SIZE,), 32))

    def prepare(self, image: Tensor, size: int) -> Prepared:
        return Prepared(image[:, :1, :1].clone(), Letterbox.of(image.shape[2], image.shape[1], size))

    def warm(self, size: int, batch_sizes: Sequence[int]) -> None:
        pass

    def detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        self.runs.append(len(batch))
        if self.before is not None:
            self.before(len(self.runs))
        if any(tuple(image.pixels.flatten().tolist()) == POISON for image in batch):
            raise self.failure
        return [
            Detections(torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.tensor([0.75]), torch.tensor([0]))
            if option.conf <= 0.75
            else Detections()
            for option in options
        ]
