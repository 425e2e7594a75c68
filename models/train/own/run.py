"""A run on a person's data: epochs of learning, each measured and saved, until it is done or is asked to stop."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from models.train import checkpoint
from models.train.dataset import Batch
from models.train.datasets.faults import DataError
from models.train.datasets.records import DataSet
from models.train.learner import Learner, LearnOptions
from models.train.own.augment import Augmentation
from models.train.own.batches import OwnDataset, batches
from models.train.own.course import Course
from models.train.own.files import RunFiles
from models.train.own.options import Machine, RunOptions
from models.train.own.progress import Epoch, LossSums, RunProgress, known
from models.train.own.scoring import Scorer
from models.train.own.views import Views
from models.train.own.watch import Watch
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo

AVERAGE_WARMUP_SHARE = 0.6
MIB = 1024 * 1024


class Run:
    """Owns what learns and how far it is. ``go`` may be called again after it was asked to stop."""

    def __init__(
        self, network: Yolo, options: RunOptions, machine: Machine, data: DataSet, files: RunFiles, watch: Watch
    ) -> None:
        self.options = options
        self.machine = machine
        self.data = data
        self.files = files
        self.watch = watch
        self.course = Course(len(data.train), options.batch, options.epochs, options.seed)
        over = self.course.average_over()
        learning = LearnOptions(machine.device, mixed=machine.device != "cpu")
        self.learner = Learner(network, learning, 1 - 1 / over, AVERAGE_WARMUP_SHARE * over)
        self.progress = RunProgress()
        self.views = Views(data.train, options.size, machine.cache_mib * MIB)
        self.scorer = Scorer(data.val, data.labels, options.size, machine.cache_mib * MIB)

    def go(self, stop: Callable[[], bool]) -> bool:
        """Learns until all epochs are closed; False where ``stop`` ended it before. Either way it is saved.

        Raises DataError for a picture that cannot be read, and Diverged; the last checkpoint is then what there is.
        """
        self._fill()
        self.files.write_log(self.progress.epochs)
        clock = _Clock(self.progress.seconds)
        source = self._batches()
        self.watch.begin(f"epoch {len(self.progress.epochs) + 1}/{self.course.epochs}", self.course.steps, self.step)
        while len(self.progress.epochs) < self.course.epochs:
            self.progress.seconds = clock.seconds()
            if self._epoch_is_full():
                self._close_epoch(clock)
            elif stop():
                self.save()
                return False
            else:
                self._learn(next(source))
                if clock.since_mark() > self.machine.save_every_s:
                    self.save()
                    clock.mark()
        return True

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return self.progress.samples // self.course.batch

    def save(self) -> None:
        """Writes the checkpoint."""
        state = {
            **self.learner.state(),
            "config": self.learner.network.config.to_json(),
            "options": asdict(self.options),
            "labels": list(self.data.labels),
            "digest": self.data.digest(),
            "progress": self.progress.state(),
        }
        self.files.save_checkpoint(state)

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a checkpoint. Raises DataError where the data set is another one by now."""
        if state["labels"] != list(self.data.labels) or state["digest"] != self.data.digest():
            raise DataError(
                f"{self.options.data}: it is not as it was when this run began; bring it back, or "
                f"begin another run with --weights {self.files.best}"
            )
        self.learner.restore(state)
        self.progress = RunProgress.of(state["progress"])

    def _fill(self) -> None:
        self.watch.begin("reading pictures", len(self.views))
        while self.views.keep_next():
            self.watch.advance()

    def _batches(self) -> Iterator[Batch]:
        augmentation = Augmentation(mosaic=self.options.mosaic, flip=self.options.flip)
        dataset = OwnDataset(self.views, self.course, augmentation)
        return batches(dataset, self.progress.samples, self.machine.workers)

    def _learn(self, batch: Batch) -> None:
        rate = self.options.rate * self.course.rate_factor(self.step)
        loss = self.learner.learn(batch, rate, self.step + 1)
        self.progress.samples += len(batch.images)
        self.progress.sums.add(loss)
        self.watch.stepped(self.course, self.step, loss)

    def _epoch_is_full(self) -> bool:
        return self.progress.samples == (len(self.progress.epochs) + 1) * self.course.samples_per_epoch

    def _close_epoch(self, clock: _Clock) -> None:
        """Measures the averaged weights, keeps them where they are the best so far, and saves."""
        averaged = self.learner.average.network
        figures = self.scorer.of_network(averaged, self.learner.device)
        latest = Epoch(
            len(self.progress.epochs) + 1,
            self.step,
            **self.progress.sums.means(),
            rate=self.options.rate * self.course.rate_factor(self.step - 1),
            map50=known(figures.at_50),
            map50_95=known(figures.at_50_to_95),
            seconds=clock.seconds(),
        )
        self.progress.epochs.append(latest)
        self.progress.sums = LossSums()
        self.progress.seconds = clock.seconds()
        best = self.progress.best() == latest
        if best:
            self.files.folder.mkdir(parents=True, exist_ok=True)
            self.files.save_best(averaged, self.data.labels, self.options.size, self._description(latest))
        self.save()
        clock.mark()
        self.files.add_epoch(self.progress.epochs)
        self.watch.closed(self.course, latest, best)

    def _description(self, epoch: Epoch) -> str:
        measured = "" if epoch.map50_95 is None else f", mAP50-95 {epoch.map50_95:.3f} on {len(self.data.val)} others"
        return f"trained by models.train: epoch {epoch.epoch}, {len(self.data.train)} pictures{measured}"


class _Clock:
    """The seconds of a run, over all its parts, and those since the last save."""

    def __init__(self, before: float) -> None:
        self._began = time.monotonic() - before
        self._mark = time.monotonic()

    def seconds(self) -> float:
        return round(time.monotonic() - self._began, 1)

    def since_mark(self) -> float:
        return time.monotonic() - self._mark

    def mark(self) -> None:
        self._mark = time.monotonic()


def saved_run(files: RunFiles) -> tuple[RunOptions, Yolo, dict[str, Any]]:
    """What a folder's checkpoint holds: its options, a network of its shape, and the state for :meth:`Run.restore`.

    Raises DataError where there is none.
    """
    if not files.checkpoint.is_file():
        raise DataError(f"{files.folder}: no run to go on with; there is no {files.checkpoint.name} in it")
    try:
        state = checkpoint.load(files.checkpoint)
        options = RunOptions(**state["options"])
        return options, Yolo(YoloConfig.from_json(state["config"])), state
    except (KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{files.checkpoint}: no checkpoint of a run on one's own data: {error}") from error
