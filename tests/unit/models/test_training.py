from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.train.export import export
from models.train.loop import Stage, Trainer, TrainOptions
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo

TINY = YoloConfig(10, widths=(8, 8, 8, 8, 8), depths=(1, 1, 1, 1), neck=(8, 8, 8), head_box=8, head_class=8, bins=4)


def _options(folder: Path, minutes: float = 0.01) -> TrainOptions:
    return TrainOptions(folder, minutes, workers=0, stages=(Stage(0.5, 64, 2), Stage(1.0, 96, 2)))


def test_training_spends_its_time_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    """A run ends when its budget is spent, through all stages, and is there to go on with."""
    trainer = Trainer(Yolo(TINY), _options(tmp_path))
    trainer.run()
    assert trainer.progress.seconds >= 0.6
    resumed = Trainer(Yolo(TINY), _options(tmp_path))
    resumed.resume()
    assert resumed.progress == trainer.progress
    for name, value in trainer.learner.average.network.state_dict().items():
        assert torch.equal(resumed.learner.average.network.state_dict()[name], value)


def test_a_spent_budget_trains_no_further(tmp_path: Path) -> None:
    """Resuming a finished run does no step."""
    first = Trainer(Yolo(TINY), _options(tmp_path))
    first.run()
    again = Trainer(Yolo(TINY), _options(tmp_path))
    again.resume()
    again.run()
    assert again.progress.step == first.progress.step


def test_the_learning_rate_rises_and_then_falls_to_nearly_nothing(tmp_path: Path) -> None:
    """It starts low, is highest after the warm-up, and ends at a hundredth."""
    trainer = Trainer(Yolo(TINY), _options(tmp_path))
    assert trainer._rate_factor(0.0) < 0.01
    trainer.progress.step = 10_000
    assert trainer._rate_factor(0.0) == pytest.approx(1.0)
    assert trainer._rate_factor(1.0) == pytest.approx(0.01)


def test_an_export_of_another_network_is_refused(tmp_path: Path) -> None:
    """The weights must be the demo network's own."""
    trainer = Trainer(Yolo(TINY), _options(tmp_path))
    trainer.save()
    with pytest.raises(ValueError, match="does not fit the network"):
        export(tmp_path / "training.pt", tmp_path / "out.safetensors")
