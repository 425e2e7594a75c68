"""A running average of the weights, which detects better than the weights of any single step."""

from __future__ import annotations

import copy
import math

import torch

from models.yolo.network import Yolo


class AveragedWeights:
    """Exponential moving average: short-sighted at first, then over about 1 / (1 - decay) steps."""

    def __init__(self, network: Yolo, decay: float = 0.998, warmup_steps: float = 300.0) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.warmup_steps = warmup_steps

    @torch.no_grad()
    def update(self, network: Yolo, step: int) -> None:
        """Takes the weights of that step in."""
        keep = self.decay * (1 - math.exp(-step / self.warmup_steps))
        now = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(now[name], 1 - keep)
            else:
                value.copy_(now[name])
