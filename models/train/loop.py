"""The training loop: as many steps as a time budget allows.

Learning rate and picture size follow the share of the budget that is spent, not the steps, so that a run on a busy
machine still ends with its rate at zero. It begins on small pictures, whose steps are cheap; objects have the size
that they have in a 320-pixel input all along, only fewer of them fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.train import checkpoint
from models.train.dataset import Batch, SceneDataset, batches
from models.train.learner import Learner, LearnOptions
from models.train.loss import Loss
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


AVERAGE_DECAY = 0.998
AVERAGE_WARMUP_STEPS = 300.0


class Trainer:
    """Owns what learns and the progress; ``run`` goes on until the budget is spent."""

    def __init__(self, network: Yolo, options: TrainOptions) -> None:
        self.options = options
        learning = LearnOptions(options.device, options.decay, options.compiled)
        self.learner = Learner(network, learning, AVERAGE_DECAY, AVERAGE_WARMUP_STEPS)
        self.progress = checkpoint.Progress()
        self.path = options.folder / "training.pt"

    def resume(self) -> None:
        """Takes up the folder's checkpoint, if it has one."""
        if not self.path.exists():
            return
        state = checkpoint.load(self.path)
        self.learner.restore(state)
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
        rate = self.options.rate * self._rate_factor(share)
        loss = self.learner.learn(batch, rate, self.progress.step + 1)
        self.progress.step += 1
        self.progress.scenes += len(batch.images)
        return loss

    def save(self) -> None:
        """Writes the checkpoint that :meth:`resume` takes up."""
        self.options.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(self.path, {**self.learner.state(), "progress": vars(self.progress)})

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
