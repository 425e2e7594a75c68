"""The training loop: as many steps as a time budget allows.

Learning rate and picture size follow the share of the budget that is spent, not the steps, so that a run on a busy
machine still ends with its rate at zero. It begins on small pictures, whose steps are cheap; objects have the size
that they have in a 320-pixel input all along, only fewer of them fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from models.train import checkpoint
from models.train.average import AveragedWeights
from models.train.dataset import Batch, SceneDataset, batches
from models.train.loss import Loss, LossWeights, detection_loss
from models.yolo.network import Yolo


@dataclass(frozen=True)
class Stage:
    """Until this share of the budget: pictures of ``size`` pixels, ``batch_size`` at a time."""

    until: float
    size: int
    batch_size: int


@dataclass(frozen=True)
class TrainOptions:
    """``minutes`` is wall time. ``rate`` is the highest learning rate, of AdamW."""

    folder: Path
    minutes: float
    seed: int = 1
    rate: float = 2.5e-3
    decay: float = 0.02
    warmup_steps: int = 150
    density: float = 10.0
    save_every_s: float = 60.0
    workers: int = 1
    device: str = "cpu"
    compiled: bool = False
    stages: tuple[Stage, ...] = (Stage(0.35, 192, 24), Stage(1.0, 256, 16))
    loss: LossWeights = field(default_factory=LossWeights)


class Trainer:
    """Owns the network, its average, the optimiser and the progress; ``run`` goes on until the budget is spent."""

    def __init__(self, network: Yolo, options: TrainOptions) -> None:
        self.options = options
        self.device = torch.device(options.device)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedWeights(self.network)
        # One graph a picture size: dynamic kernels would give back half of what compiling gains.
        self.forward = torch.compile(self.network, dynamic=False) if options.compiled else self.network
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, options.decay), lr=options.rate, betas=(0.9, 0.99), fused=True
        )
        self.progress = checkpoint.Progress()
        self.path = options.folder / "training.pt"

    def resume(self) -> None:
        """Takes up the folder's checkpoint, if it has one."""
        if not self.path.exists():
            return
        state = checkpoint.load(self.path)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = checkpoint.Progress(**state["progress"])

    def run(self) -> None:
        """Trains until the budget is spent, and saves now and then and at the end."""
        started, saved = time.monotonic() - self.progress.seconds, time.monotonic()
        stage = self._stage(self._share())
        source = self._batches(stage)
        while (share := self._share()) < 1:
            if self._stage(share) != stage:
                stage = self._stage(share)
                source = self._batches(stage)
            loss = self.step(next(source), share)
            self.progress.seconds = time.monotonic() - started
            self._report(loss, stage)
            if time.monotonic() - saved > self.options.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def step(self, batch: Batch, share: float) -> Loss:
        """One step on one batch, with the learning rate of that share of the budget."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.rate * self._rate_factor(share)
        self.network.train()
        images = batch.images.to(self.device, non_blocking=True)
        output = self.forward(images.float().div_(255).contiguous(memory_format=torch.channels_last))
        loss = detection_loss(output, batch.objects.to(self.device), self.network.config.bins, self.options.loss)
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.progress.step += 1
        self.progress.scenes += len(batch.images)
        self.average.update(self.network, self.progress.step)
        return loss

    def save(self) -> None:
        """Writes the checkpoint that :meth:`resume` takes up."""
        self.options.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(
            self.path,
            self.network.state_dict(),
            self.average.network.state_dict(),
            self.optimiser.state_dict(),
            self.progress,
        )

    def _share(self) -> float:
        """The share of the budget that is spent."""
        return self.progress.seconds / (self.options.minutes * 60)

    def _stage(self, share: float) -> Stage:
        return next((stage for stage in self.options.stages if share < stage.until), self.options.stages[-1])

    def _batches(self, stage: Stage) -> Iterator[Batch]:
        dataset = SceneDataset(self.options.seed, stage.size, self.options.density)
        return batches(dataset, self.progress.scenes, stage.batch_size, self.options.workers)

    def _rate_factor(self, share: float) -> float:
        """Up over the first steps, then down along a half cosine to a hundredth."""
        warm = min(1.0, (self.progress.step + 1) / self.options.warmup_steps)
        return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)

    def _report(self, loss: Loss, stage: Stage) -> None:
        progress = self.progress
        if progress.step % 20:
            return
        progress.losses.append((progress.step, round(float(loss.total.detach()), 4)))
        parts = f"box {loss.box:.3f} classes {loss.classes:.3f} edges {loss.edges:.3f}"
        pace = f"{progress.scenes} scenes, {progress.scenes / progress.seconds:.1f}/s"
        print(
            f"{progress.seconds / 60:6.1f} min  step {progress.step:5d}  {stage.size} px  {parts}  {pace}", flush=True
        )


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for the kernels alone: on biases and norms it only hurts."""
    kernels: list[Tensor] = [p for p in network.parameters() if p.ndim > 1]
    others: list[Tensor] = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
