"""The families against the implementations that their checkpoints come from, run in an environment of their own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.checkpoints.checkpoint import read_checkpoint
from models.checkpoints.serving import write_import
from models.detector import Detections, DetectOptions, Detector, Prepared
from models.families.letterbox import fit
from models.families.network import FamilyNetwork, build, parameters_of
from models.registry import load
from tests.parity.environment import NoReference, reference_python

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

IMGSZ = 320
IOU = 0.7
NETWORKS = [
    ("yolov5-anchors", "n", 80),
    ("yolov5-anchors", "s", 3),
    ("yolov5", "n", 80),
    ("yolov5", "s", 1),
    ("yolov8", "n", 80),
    ("yolov8", "s", 5),
    ("yolo11", "n", 64),
    ("yolo11", "s", 80),
    ("yolo11", "m", 2),
    ("yolov8", "n-p6", 4),
    ("yolov5", "n-p6", 4),
]


@dataclass(frozen=True)
class Reference:
    """What the reference wrote: a folder with its checkpoints, and its answers."""

    folder: Path
    answers: dict[str, Any]
    anchors: bool

    def network(self, name: str) -> FamilyNetwork:
        path = self.folder / name
        checkpoint = read_checkpoint(path)
        return build(checkpoint.config, checkpoint.state, path)

    def raw(self, name: str) -> Tensor:
        """(B, A, 4 + C): centre, sides and scores of all candidates, of both kinds of heads."""
        answer: Tensor = self.answers[name]
        if not self.anchors:
            return answer.transpose(1, 2)
        return torch.cat([answer[..., :4], answer[..., 5:] * answer[..., 4:5]], dim=-1)


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: "-".join(map(str, network)))
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    family, size, classes = request.param
    folder = tmp_path_factory.mktemp(family)
    try:
        python = reference_python()
    except NoReference as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    script = Path(__file__).with_name("reference.py")
    subprocess.run(
        [python, script, folder, family, size, str(classes), str(IMGSZ)],
        env={**os.environ, "YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(folder)},
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return Reference(folder, torch.load(folder / "answers.pt", weights_only=True), family == "yolov5-anchors")


def raw(network: FamilyNetwork, x: Tensor) -> Tensor:
    with torch.inference_mode():
        boxes, scores = network.everything(x)
    centres, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return torch.cat([centres, sides, scores], dim=-1).float()


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The greatest, of boxes and of scores, relative to the largest of each."""
    assert ours.shape == theirs.shape
    parts = ((ours[..., :4], theirs[..., :4]), (ours[..., 4:], theirs[..., 4:]))
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in parts)


def test_raw_outputs_are_the_references(reference: Reference) -> None:
    """Every candidate agrees within 1e-4, whole, fused by us and fused by them, and parameters are as many."""
    network = reference.network("checkpoint.pt")
    x = reference.answers["x"]
    assert parameters_of(network) == reference.answers["parameters"]
    assert difference(raw(network, x), reference.raw("raw")) <= 1e-4
    assert difference(raw(network.fuse(), x), reference.raw("raw")) <= 1e-4
    assert difference(raw(reference.network("fused.pt"), x), reference.raw("raw_fused")) <= 1e-4


def test_half_precision_stays_near(reference: Reference) -> None:
    """In half precision every candidate agrees within 1e-2."""
    network = reference.network("checkpoint.pt").half()
    assert difference(raw(network, reference.answers["x"].half()), reference.raw("raw")) <= 1e-2


def test_the_letterbox_is_theirs_but_for_rounding(reference: Reference) -> None:
    """Inputs are bit-equal where nothing is scaled, else one step of 255 off at most: OpenCV rounds otherwise."""
    for picture, square in zip(reference.answers["pictures"], reference.answers["squares"], strict=True):
        ours, _ = fit(picture.permute(2, 0, 1), IMGSZ)
        off = int((ours.permute(1, 2, 0).int() - square.int()).abs().max())
        assert off <= (0 if max(picture.shape) == IMGSZ else 1)


def test_final_boxes_are_the_references(reference: Reference) -> None:
    """After suppression, photographs have the same boxes within half a pixel, score for score, class for class."""
    detector = load(str(reference.folder / "checkpoint.pt"))
    for picture, square, found in rows(reference):
        prepared = detector.prepare(picture, IMGSZ)
        same_input = Prepared(square, prepared.letterbox)
        compare(detector, same_input, found, reference.anchors)
        if max(picture.shape) == IMGSZ:
            compare(detector, prepared, found, reference.anchors)


def test_an_imported_file_answers_alike(reference: Reference, tmp_path: Path) -> None:
    """The safetensors file that an import writes gives exactly what the checkpoint gives."""
    path = tmp_path / "imported.safetensors"
    write_import(reference.folder / "checkpoint.pt", path)
    detectors = [load(str(reference.folder / "checkpoint.pt")), load(str(path))]
    assert detectors[0].spec.labels == detectors[1].spec.labels
    assert detectors[0].spec.sizes == detectors[1].spec.sizes
    picture, _, found = rows(reference)[0]
    answers = [
        detector.detect([detector.prepare(picture, IMGSZ)], [DetectOptions(found["conf"], IOU)])[0]
        for detector in detectors
    ]
    assert torch.equal(answers[0].boxes, answers[1].boxes)
    assert torch.equal(answers[0].scores, answers[1].scores)


def rows(reference: Reference) -> list[tuple[Tensor, Tensor, dict[str, Any]]]:
    """Pictures (3, H, W), the reference's inputs of them (3, S, S), and what it found."""
    answers = reference.answers
    return [
        (picture.permute(2, 0, 1), square.permute(2, 0, 1), found)
        for picture, square, found in zip(answers["pictures"], answers["squares"], answers["found"], strict=True)
    ]


def compare(detector: Detector, prepared: Prepared, found: dict[str, Any], anchors: bool) -> None:
    ours: Detections = detector.detect([prepared], [DetectOptions(found["conf"], IOU)])[0]
    # YOLOv5's package puts boxes back by half pixels of padding that its own letterbox rounds.
    expected = prepared.letterbox.to_image(found["inside"][:, :4]) if anchors else found["boxes"][:, :4]
    # What lay in the padding alone is nothing in the picture, and is not told.
    seen = (expected[:, 2:] - expected[:, :2] > 1e-3).all(1)
    scores, class_ids = found["boxes"][seen, 4], found["boxes"][seen, 5].long()
    assert len(ours) == len(scores)
    matched = (ours.boxes[:, None] - expected[seen][None]).abs().amax(-1) + (
        1000.0 * (ours.class_ids[:, None] != class_ids[None]) + 1000.0 * ((ours.scores[:, None] - scores).abs() > 1e-4)
    )
    assert matched.amin(0).max() <= 0.5
    assert matched.amin(1).max() <= 0.5
