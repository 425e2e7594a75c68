"""One step of learning, whatever the pictures are: the network, the average of its weights, and AdamW."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.train.average import AveragedWeights
from models.train.dataset import Batch
from models.train.loss import Loss, LossWeights, detection_loss
from models.yolo.network import Yolo


class Diverged(RuntimeError):
    """The loss is no number any more; the message says what helps."""


@dataclass(frozen=True)
class LearnOptions:
    """``decay`` is the kernels' weight decay. ``mixed`` computes the network in bfloat16 where that saves time."""

    device: str = "cpu"
    decay: float = 0.02
    compiled: bool = False
    mixed: bool = False
    loss: LossWeights = field(default_factory=LossWeights)


class Learner:
    """Moves a network over to a device and teaches it, batch by batch."""

    def __init__(self, network: Yolo, options: LearnOptions, average_decay: float, average_warmup: float) -> None:
        self.options = options
        self.device = torch.device(options.device)
        # torch documents this call and has no type for it.
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedWeights(self.network, average_decay, average_warmup)
        # One graph a picture size: dynamic kernels would give back half of what compiling gains.
        self._forward = torch.compile(self.network, dynamic=False) if options.compiled else self.network
        self.optimiser = torch.optim.AdamW(_groups(self.network, options.decay), betas=(0.9, 0.99), fused=True)

    def learn(self, batch: Batch, rate: float, step: int) -> Loss:
        """One step, the ``step``-th from 1, at a learning rate. Raises Diverged."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        images = batch.images.to(self.device, non_blocking=True)
        images = images.float().div_(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.mixed):
            output = self._forward(images)
        loss = detection_loss(output, batch.objects.to(self.device), self.network.config.bins, self.options.loss)
        if not math.isfinite(loss.box + loss.classes + loss.edges):
            raise Diverged(f"the loss is no number any more at step {step}; a smaller --lr than {rate:g} may help")
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.average.update(self.network, step)
        return loss

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs: tensors and plain numbers."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what :meth:`state` gave."""
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for the kernels alone: on biases and norms it only hurts."""
    kernels: list[Tensor] = [p for p in network.parameters() if p.ndim > 1]
    others: list[Tensor] = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
