"""What a network must do to be served: give the boxes of which it is sure enough."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn


@dataclass(frozen=True)
class Candidates:
    """A picture's possible objects, on the CPU: ``boxes`` (n, 4) xyxy in input pixels, ``scores`` (n, C) in 0..1."""

    boxes: Tensor
    scores: Tensor


class Predictor(nn.Module, ABC):
    """The base of all networks that :class:`~models.yolo.serving.YoloDetector` serves."""

    @abstractmethod
    def predict(self, x: Tensor, conf: float) -> list[Candidates]:
        """What each picture of ``x`` (B, 3, H, W), in 0..1, may hold: what is at least ``conf`` sure of a class."""

    def fuse(self) -> Self:
        """Makes itself faster without changing an answer, for evaluation only. Returns itself."""
        return self.eval()
