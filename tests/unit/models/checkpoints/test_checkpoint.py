from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch

from models.checkpoints.__main__ import main
from models.checkpoints.checkpoint import read_checkpoint
from models.detector import DetectOptions
from models.families.network import build
from models.registry import describe, load
from models.weights.errors import WeightsError
from tests.unit.models.checkpoints import foreign

FAMILIES = [("yolov5", True), ("yolov5", False), ("yolov8", False), ("yolo11", False)]


@pytest.fixture
def yolov8(tmp_path: Path) -> Path:
    path = tmp_path / "best.pt"
    foreign.write(path, "yolov8")
    return path


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("family", "anchors"), FAMILIES)
def test_a_checkpoint_becomes_the_network_that_was_saved(
    tmp_path: Path, family: str, anchors: bool, fused: bool
) -> None:
    """Architecture, every number and the answers are those of the network that was saved, whole or fused."""
    path = tmp_path / "best.pt"
    saved = foreign.write(path, family, anchors, fused)
    read = read_checkpoint(path)
    assert read.config == saved.config
    assert read.labels == ("thing 0", "thing 1", "thing 2")
    assert (read.stride, read.imgsz, read.sizes) == (32, 96, (96, 640, 480, 320))
    network = build(read.config, read.state, path)
    x = torch.rand(1, 3, 64, 96)
    for ours, theirs in zip(network.everything(x), saved.everything(x), strict=True):
        assert torch.equal(ours, theirs)


def test_the_averaged_network_is_the_one_that_serves(tmp_path: Path) -> None:
    """Where a checkpoint of a running training has an averaged network, that one is taken."""
    made = foreign.network(foreign.config("yolov8"))
    content = foreign.checkpoint(made, "yolov8")
    path = tmp_path / "last.pt"
    foreign.save(
        content | {"model": None, "ema": content["model"], "opt": {"imgsz": [64, 128]}, "train_args": {}}, path
    )
    read = read_checkpoint(path)
    assert read.imgsz == 128
    assert len(read.state) == len(made.state_dict())


def test_a_path_is_a_model(yolov8: Path) -> None:
    """A checkpoint's path serves it: its spec, and a picture's boxes in the picture's pixels."""
    detector = load(str(yolov8))
    assert detector.spec == describe(str(yolov8))
    assert (detector.spec.name, detector.spec.stride, detector.spec.sizes[0]) == ("best", 32, 96)
    picture = torch.randint(0, 256, (3, 60, 130), dtype=torch.uint8)
    options = DetectOptions(conf=0.0, max_detections=5)
    (found,) = detector.detect([detector.prepare(picture, 96)], [options])
    assert len(found) == 5
    assert found.boxes[:, 2].max() <= 130
    assert found.boxes[:, 3].max() <= 60


def test_inspect_tells_what_a_checkpoint_holds(yolov8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints family, classes, input sizes and parameters, as JSON where it is asked for."""
    assert main(["inspect", str(yolov8), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["family"], told["classes"], told["input_sizes"]) == ("yolov8", 3, [96, 640, 480, 320])
    assert told["parameters"] == sum(value.numel() for value in foreign.network(foreign.config("yolov8")).parameters())
    assert main(["inspect", str(yolov8)]) == 0
    assert "thing 0, thing 1, thing 2" in capsys.readouterr().out


def test_import_writes_a_file_that_answers_alike(yolov8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An imported file serves what its checkpoint serves, says where it is from, and is not overwritten by accident."""
    assert main(["import", str(yolov8), "--sizes", "64,96", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    imported = yolov8.with_suffix(".safetensors")
    assert told["written"] == str(imported)
    assert told["input_sizes"] == [64, 96]
    assert "imported from best.pt" in told["description"]
    picture = torch.randint(0, 256, (3, 60, 130), dtype=torch.uint8)
    answers = []
    for path in (yolov8, imported):
        detector = load(str(path))
        answers += detector.detect([detector.prepare(picture, 96)], [DetectOptions(conf=0.0)])
    assert torch.equal(answers[0].boxes, answers[1].boxes)
    assert main(["import", str(yolov8)]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["import", str(yolov8), "--force"]) == 0
    assert not list(yolov8.parent.glob("*.partial"))


@pytest.mark.parametrize("sizes", ["100", "0", "32,64,96,128,160,192,224", "8192", "-32"])
def test_sizes_that_it_cannot_have_are_refused(yolov8: Path, sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Input sizes are few, multiples of the stride and not endless."""
    assert main(["import", str(yolov8), f"--sizes={sizes}"]) == 1
    assert "multiples of 32" in capsys.readouterr().err
    assert not yolov8.with_suffix(".safetensors").exists()


def test_other_networks_are_named(tmp_path: Path) -> None:
    """What holds no detector of these families is refused by what it is."""
    for content, message in (
        ({"model": torch.nn.Linear(2, 2)}, "holds a Linear"),
        ({"weight": torch.zeros(2)}, "plain state dict"),
        ([1, 2], "holds no network but a list"),
        ({"model": {"a": 1}}, "holds no network but a dict"),
    ):
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(WeightsError, match=message) as refused:
            read_checkpoint(tmp_path / "other.pt")
        assert "other.pt" in str(refused.value)


def test_a_torchscript_export_is_told_apart(tmp_path: Path) -> None:
    """TorchScript is code: a checkpoint's reader refuses it, and says how it can be served."""
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "best.pt")
    with pytest.raises(WeightsError, match="torchscript:PATH"):
        read_checkpoint(tmp_path / "best.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"yaml": None}, "does not carry its architecture"),
        ({"names": ["one"]}, "class names are not 3"),
        ({"names": {0: "a", 1: "b", 2: ["c"]}}, "no short texts"),
        ({"stride": torch.tensor([64.0])}, "says that its stride is 64"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """A network whose attributes do not agree with its architecture is refused."""
    content = foreign.checkpoint(foreign.network(foreign.config("yolov8")), "yolov8")
    for name, value in change.items():
        setattr(content["model"], name, value)
    foreign.save(content, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / "odd.pt")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-1, 1, "RepC3", [64]], "block 'RepC3' is not known"),
        ([-1, 1, "Conv", [64, 3, 2, 1, 4, 1]], "Conv has 6 arguments"),
        ([-1, 1, "Conv", ["64"]], "argument '64'"),
        ([-1, 1, "Conv", [10**9]], "argument 1000000000"),
        ([-1, 10**6, "C2f", [64]], "repeats 1 to 64"),
        ([-1, 3, "Conv", [64]], "Conv does not repeat"),
        ([7, 1, "Conv", [64]], "reads row 7"),
        ([[-1, -1], 1, "Conv", [64]], "Conv reads one row"),
        ([-1, 1, "nn.Upsample", [None, 3, "nearest"]], "nn.Upsample"),
        ([-1, 1, "Detect", ["nc"]], "its one Detect"),
        ([-1, 1, ["Conv"], [64]], "a row's block is a name"),
        ([-1, 1, "Conv"], "is not \\[from, repeats"),
        ([-1, 1, "C2PSA", [64]], "C2PSA keeps its channels"),
        ([-1, 1, "Conv", [float("nan")]], "numbers or words"),
    ],
)
def test_an_architecture_that_is_not_known_is_refused(tmp_path: Path, row: list[object], message: str) -> None:
    """Each thing that these families do not have is named."""
    content = foreign.checkpoint(foreign.network(foreign.config("yolov8")), "yolov8")
    content["model"].yaml["backbone"][2] = row
    foreign.save(content, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / "odd.pt")


def test_other_activations_are_refused(tmp_path: Path) -> None:
    """A network with another activation than SiLU would answer otherwise here, and is refused."""
    content = foreign.checkpoint(foreign.network(foreign.config("yolov8")), "yolov8")
    content["model"].model[0].act = torch.nn.ReLU()
    foreign.save(content, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match="activation is ReLU"):
        read_checkpoint(tmp_path / "odd.pt")


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing and misshapen tensors are named by inspect, import and loading alike."""
    content = foreign.checkpoint(foreign.network(foreign.config("yolov8")), "yolov8")
    del content["model"].model[1].bn.weight
    content["model"].model[0].conv.weight = torch.nn.Parameter(torch.zeros(9, 3, 3, 3))
    path = tmp_path / "odd.pt"
    foreign.save(content, path)
    for attempt in (
        lambda: load(str(path)),
        lambda: build(read_checkpoint(path).config, read_checkpoint(path).state, path),
    ):
        with pytest.raises(WeightsError, match="lacks model.1.bn.weight; it has misshapen model.0.conv.weight"):
            attempt()
    assert main(["import", str(path)]) == 1
    assert "misshapen" in capsys.readouterr().err


def test_a_truncated_checkpoint_is_refused_wherever_it_ends(yolov8: Path) -> None:
    """A download that broke off is refused with a sentence, at every length."""
    whole = yolov8.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        yolov8.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="no zip archive"):
            read_checkpoint(yolov8)


def test_a_flipped_bit_in_a_storage_is_noticed(yolov8: Path) -> None:
    """The archive's checksums are looked at: numbers that changed on the way are no weights."""
    with zipfile.ZipFile(io.BytesIO(yolov8.read_bytes())) as archive:
        entry = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(yolov8.read_bytes())
    content[entry.header_offset + entry.file_size // 2 + 200] ^= 1
    yolov8.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(yolov8)
