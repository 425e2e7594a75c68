from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.detector import DetectOptions
from models.registry import UnknownModel, describe, load
from models.torchscript import TorchscriptNetwork
from models.weights.errors import WeightsError
from models.yolo.serving import YoloDetector

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")

CONFIG = {"task": "detect", "stride": 32, "imgsz": [64, 64], "names": {"0": "cat", "1": "dog"}}


class Modern(nn.Module):
    """Answers as YOLOv8 exports do: one dog in the middle, as bright as the picture is."""

    def forward(self, x: Tensor) -> Tensor:
        middle = torch.tensor([32.0, 32.0, 16.0, 8.0, 0.0]).expand(x.shape[0], 5)
        answer = torch.cat([middle, x.mean(dim=[1, 2, 3])[:, None]], dim=1)
        return answer[:, :, None].expand(x.shape[0], 6, 3)


class Anchored(nn.Module):
    """Answers as YOLOv5 exports do, with objectness, and to one picture at a time."""

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        assert x.shape[0] == 1, "one picture"
        return torch.tensor([[[32.0, 32.0, 16.0, 8.0, 0.5, 0.2, 0.9]]]), 0


class Wrong(nn.Module):
    """Answers with something that is no detector's."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def export(path: Path, network: nn.Module, config: Any = CONFIG) -> str:
    extra = {} if config is None else {"config.txt": config if isinstance(config, str) else json.dumps(config)}
    torch.jit.save(torch.jit.script(network), path, _extra_files=extra)
    return f"torchscript:{path}"


def test_an_export_is_served_with_its_own_names(tmp_path: Path) -> None:
    """Labels, stride and size come from the archive, the boxes back in the picture's pixels."""
    name = export(tmp_path / "pets.torchscript", Modern())
    detector = load(name)
    assert detector.spec == describe(name)
    assert (detector.spec.name, detector.spec.labels, detector.spec.sizes) == ("pets", ("cat", "dog"), (64,))
    white = torch.full((3, 128, 128), 255, dtype=torch.uint8)
    found = detector.detect([detector.prepare(white, 64)] * 2, [DetectOptions(), DetectOptions(conf=1.0)])
    assert found[0].boxes.tolist() == [[48.0, 56.0, 80.0, 72.0]]
    assert found[0].class_ids.tolist() == [1]
    assert found[0].scores.tolist() == [1.0]
    assert len(found[1]) == 1


def test_exports_with_objectness_for_one_picture_are_served(tmp_path: Path) -> None:
    """YOLOv5's answers count objectness, and a network that takes one picture is asked for each."""
    detector = load(export(tmp_path / "pets.torchscript", Anchored(), {**CONFIG, "names": ["cat", "dog"]}))
    assert isinstance(detector, YoloDetector)
    assert isinstance(detector.network, TorchscriptNetwork)
    assert not detector.network.layout.batches
    grey = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    found = detector.detect([detector.prepare(grey, 64)] * 3, [DetectOptions()] * 3)
    assert [len(each) for each in found] == [1, 1, 1]
    assert found[2].boxes.tolist() == [[24.0, 28.0, 40.0, 36.0]]
    assert found[2].scores.tolist() == pytest.approx([0.45])


def test_code_is_loaded_by_consent_only(tmp_path: Path) -> None:
    """A bare path to an export is not loaded; as a checkpoint it is refused with the name to use."""
    export(tmp_path / "pets.torchscript", Modern())
    with pytest.raises(UnknownModel, match="torchscript:PATH"):
        load(str(tmp_path / "pets.torchscript"))
    export(tmp_path / "pets.pt", Modern())
    with pytest.raises(WeightsError, match="torchscript:PATH"):
        load(str(tmp_path / "pets.pt"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "no config.txt"),
        ("nonsense", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        ({**CONFIG, "task": "segment"}, "task is 'segment'"),
        ({**CONFIG, "args": {"nms": True}}, "suppresses boxes itself"),
        ({**CONFIG, "names": {}}, "no names"),
        ({**CONFIG, "names": {"0": "cat", "2": "dog"}}, "no names"),
        ({**CONFIG, "imgsz": [64, 96]}, "squares"),
        ({**CONFIG, "imgsz": None}, "no input size"),
        ({**CONFIG, "imgsz": [65, 65]}, "multiples of 32"),
        ({**CONFIG, "stride": 0}, "no stride"),
    ],
)
def test_an_export_that_does_not_say_enough_is_refused(tmp_path: Path, config: Any, message: str) -> None:
    """What is wrong with the archive's config is named, before any of its code is loaded."""
    with pytest.raises(WeightsError, match=message):
        describe(export(tmp_path / "odd.torchscript", Modern(), config))


def test_answers_that_are_no_detectors_are_refused(tmp_path: Path) -> None:
    """A network whose answer has another shape than its names ask for is refused when it is loaded."""
    with pytest.raises(WeightsError, match="no raw answer of 2 classes"):
        load(export(tmp_path / "odd.torchscript", Wrong()))


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    """Missing files, checkpoints and damaged archives are refused each with its reason."""
    with pytest.raises(UnknownModel, match="no file gone.torchscript"):
        load("torchscript:gone.torchscript")
    torch.save({}, tmp_path / "plain.pt")
    with pytest.raises(WeightsError, match="no TorchScript export"):
        load(f"torchscript:{tmp_path / 'plain.pt'}")
