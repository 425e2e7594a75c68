from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from models.detector import DetectOptions
from models.registry import describe, load
from models.torchvision_detectors import NAMES, Resizer, TorchvisionOptions
from models.weights.errors import WeightsError

FAST = ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"]
SLOW = [pytest.param(name, marks=pytest.mark.soak) for name in NAMES if name not in FAST]


def reference(name: str) -> nn.Module:
    """A network of torchvision with weights of its own, that is sure enough of something."""
    torch.manual_seed(5)
    network: nn.Module = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=3)
    for key, parameter in network.named_parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.1, 1)
        if key.endswith("bbox_ctrness.bias"):
            nn.init.constant_(parameter, 4)
        if key.endswith("cls_logits.bias"):
            # A trained one never answers with the background.
            parameter.data.view(-1, 3)[:, 0] = -20
    if name in {"fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"}:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return network.eval()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Where a state dict goes, and a text of labels."""
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    return tmp_path / "own.pth", labels


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_boxes_are_torchvisions_own(name: str, files: tuple[Path, Path]) -> None:
    """At its first size a detector sees what torchvision makes of two pictures, but for rounding, and gives the
    boxes that torchvision gives for that.
    """
    network = reference(name)
    torch.save(network.state_dict(), files[0])
    detector = load(f"torchvision/{name}:weights={files[0]},labels={files[1]}")
    assert detector.spec.labels == ("cat", "dog")
    generator = torch.Generator().manual_seed(2)
    pictures = [
        torch.nn.functional.interpolate(torch.rand(1, 3, 9, 12, generator=generator), shape, mode="bilinear")[0]
        for shape in ((240, 320), (300, 200))
    ]
    pictures = [(picture * 255).to(torch.uint8) for picture in pictures]
    size = detector.spec.sizes[0]
    options = DetectOptions(conf=0.0, iou=1.0, max_detections=1000)
    batch = [detector.prepare(picture, size) for picture in pictures]
    inputs = [prepared.pixels.float() / 255 for prepared in batch]
    transform: Any = network.transform
    for picture, resized in zip(pictures, inputs, strict=True):
        assert (transform.resize(picture.float() / 255)[0] - resized).abs().max() < 1.5 / 255
    ours = detector.detect(batch, [options] * 2)
    with torch.inference_mode():
        theirs: list[dict[str, Tensor]] = network(inputs)
    for found, expected, prepared in zip(ours, theirs, batch, strict=True):
        expected["boxes"] = prepared.letterbox.to_image(expected["boxes"])
        seen = (expected["boxes"][:, 2:] > expected["boxes"][:, :2]).all(1) & (expected["labels"] > 0)
        boxes, scores, labels = (expected[key][seen] for key in ("boxes", "scores", "labels"))
        assert len(scores) > 0
        assert abs(len(found) - len(scores)) <= len(scores) // 20
        # Random weights give many boxes of nearly one score, whose order is a matter of rounding.
        off = (found.boxes[:, None] - boxes[None]).abs().amax(-1) + 1000.0 * (
            (found.class_ids[:, None] != labels[None] - 1) | ((found.scores[:, None] - scores[None]).abs() > 2e-3)
        )
        assert float(off.amin(0).quantile(0.9)) < 0.5


def test_options_of_a_request_narrow_what_is_found(files: tuple[Path, Path]) -> None:
    """Each picture of a batch has its own threshold and number of boxes; no pictures give no answers."""
    network = reference(FAST[0])
    torch.save(network.state_dict(), files[0])
    detector = load(f"torchvision/{FAST[0]}:weights={files[0]},labels={files[1]}")
    grey = detector.prepare(torch.full((3, 100, 150), 90, dtype=torch.uint8), 320)
    found = detector.detect([grey, grey], [DetectOptions(conf=0.0, max_detections=3), DetectOptions(conf=1.0)])
    assert [len(each) for each in found] == [3, 0]
    assert detector.detect([], []) == []
    with pytest.raises(ValueError, match="1 images came with 0 options"):
        detector.detect([grey], [])
    with pytest.raises(ValueError, match="no input size 64"):
        detector.prepare(torch.zeros(3, 4, 4, dtype=torch.uint8), 64)


def test_pictures_are_resized_as_torchvision_would() -> None:
    """The shorter side is brought to its length, unless the longer one would then be too long."""
    usual = Resizer(800, 1333, fixed=False)
    assert usual.sizes == (1333, 999, 666)
    place = usual.place(640, 480, 1333)
    assert (place.inner_width, place.inner_height) == (1066, 800)
    place = usual.place(100, 1000, 1333)
    assert (place.inner_width, place.inner_height) == (133, 1333)
    squeezed = Resizer(300, 300, fixed=True).place(640, 480, 300)
    assert (squeezed.inner_width, squeezed.inner_height) == (300, 300)


def test_torchvisions_own_labels_leave_the_background_out() -> None:
    """Without labels of one's own, they are COCO's, and the first is no background."""
    spec = describe("torchvision/ssdlite320_mobilenet_v3_large")
    assert (spec.name, spec.sizes, spec.labels[:2]) == ("ssdlite320_mobilenet_v3_large", (320,), ("person", "bicycle"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "no detector 'resnet50'"),
        ("", "no detector ''"),
        (f"{FAST[0]}:weight=x", "'weight=x' is not weights=PATH"),
        (f"{FAST[0]}:weights=a,weights=b", "'weights=b' is not"),
        (f"{FAST[0]}:weights=", "'weights=' is not"),
        (f"{FAST[0]}:labels=a", "labels of your own need weights"),
    ],
)
def test_wrong_names_are_refused(name: str, message: str) -> None:
    """A detector or parameter that there is not is refused with those that there are."""
    with pytest.raises(ValueError, match=message):
        TorchvisionOptions.parse(f"torchvision/{name}")


def test_files_that_do_not_serve_are_refused(files: tuple[Path, Path]) -> None:
    """Missing labels, and weights of another network or that run something, are refused."""
    path, labels = files
    torch.save({"a": torch.zeros(1)}, path)
    for name, message in (
        (f"weights={path},labels={labels}.gone", "no text of labels"),
        (f"weights={path},labels={labels}", "does not fit the network: it lacks"),
        (f"weights={labels}", "no plain state dict"),
    ):
        with pytest.raises(WeightsError, match=message):
            load(f"torchvision/{FAST[0]}:{name}")
    labels.write_text("\n")
    with pytest.raises(WeightsError, match="holds 0 labels"):
        load(f"torchvision/{FAST[0]}:weights={path},labels={labels}")


def test_weights_that_cannot_be_had_are_told(tmp_path: Path, files: tuple[Path, Path]) -> None:
    """Where torchvision's own weights are neither there nor to be downloaded, the error says where to put them."""
    before: Any = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path / "hub")
    (tmp_path / "hub").write_text("no folder")
    try:
        with pytest.raises(WeightsError, match=r"put ssdlite320_mobilenet_v3_large_coco-a79551df.pth there"):
            load(f"torchvision/{FAST[0]}")
    finally:
        torch.hub.set_dir(before)
