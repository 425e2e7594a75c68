from __future__ import annotations

import io
import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from models.detector import DetectOptions
from models.inspection import inspect
from models.registry import DEMO_WEIGHTS, describe, load, read_network
from models.train.__main__ import main
from models.train.datasets.faults import DataError
from models.train.datasets.reading import Source, read_data
from models.train.learner import Diverged
from models.train.own import command
from models.train.own.curve import draw_curve
from models.train.own.files import RunFiles
from models.train.own.options import Machine, RunOptions
from models.train.own.progress import Epoch
from models.train.own.run import Run, saved_run
from models.train.own.start import fine_tuned, starting_network
from models.train.own.stopping import Stopping
from models.train.own.views import Views
from models.train.own.watch import Watch
from models.train.sample_data import LABELS, DrawOptions, write_coco, write_yolo
from models.train.shapes import LABELS as DEMO_LABELS
from models.weights.errors import WeightsError
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo

TINY = YoloConfig(4, widths=(8, 8, 16, 16, 16), depths=(1, 1, 1, 1), neck=(16, 16, 16), head_box=16, head_class=16)
MACHINE = Machine(workers=0)


@pytest.fixture(scope="module", params=["coco", "yolo"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp(request.param)
    {"coco": write_coco, "yolo": write_yolo}[request.param](path, DrawOptions(24, 8, 128))
    return path


@pytest.fixture
def options(folder: Path) -> RunOptions:
    return RunOptions(str(folder), epochs=3, size=96, batch=8, rate=3e-3)


def _never() -> bool:
    return False


def _after(checks: int) -> Callable[[], bool]:
    """Asks to stop at the given check, which comes before each step."""
    left = iter([False] * checks)
    return lambda: next(left, True)


def _run(options: RunOptions, out: Path, network: Yolo | None = None, machine: Machine = MACHINE) -> Run:
    torch.manual_seed(options.seed)
    data = read_data(options.source())
    return Run(network or Yolo(TINY), options, machine, data, RunFiles(out), Watch(Console(file=io.StringIO())))


def _resumed(out: Path) -> Run:
    options, network, state = saved_run(RunFiles(out))
    run = _run(options, out, network)
    run.restore(state)
    return run


def test_the_loss_falls(options: RunOptions, tmp_path: Path) -> None:
    """A few epochs on a small set make the loss smaller, and each is in the log as a line of JSON."""
    run = _run(replace(options, epochs=12), tmp_path)
    assert run.go(_never)
    epochs = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in epochs] == list(range(1, 13))
    assert epochs[-1]["loss"] < 0.85 * epochs[0]["loss"]
    assert all(0 <= one["map50_95"] <= one["map50"] <= 1 for one in epochs)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(options: RunOptions, tmp_path: Path) -> None:
    """Stopped within an epoch and gone on with, the weights, the losses and the measures are the same to the bit."""
    whole = _run(options, tmp_path / "whole")
    assert whole.go(_never)
    assert not _run(options, tmp_path / "parts").go(_after(5))
    middle = _resumed(tmp_path / "parts")
    assert middle.step == 5
    assert not middle.go(_after(2))
    last = _resumed(tmp_path / "parts")
    assert last.go(_never)
    for name, value in whole.learner.average.network.state_dict().items():
        assert torch.equal(last.learner.average.network.state_dict()[name], value), name
    pairs = zip(whole.progress.epochs, last.progress.epochs, strict=True)
    assert all(replace(one, seconds=0) == replace(other, seconds=0) for one, other in pairs)
    served, other = (read_network(tmp_path / name / "best.safetensors").state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(value, other[name]) for name, value in served.items())


def test_worker_processes_give_the_same_batches(options: RunOptions, tmp_path: Path) -> None:
    """How pictures are prepared, by how many and kept or not, changes nothing."""
    runs = []
    for name, machine in {"here": MACHINE, "there": Machine(workers=2, cache_mib=0)}.items():
        run = _run(replace(options, epochs=1), tmp_path / name, machine=machine)
        assert run.go(_never)
        runs.append(replace(run.progress.epochs[0], seconds=0))
    assert runs[0] == runs[1]


def test_the_outcome_is_served_with_its_labels(options: RunOptions, tmp_path: Path) -> None:
    """The weights file names the classes and its size, detects, and what inspects weights can read it."""
    assert _run(options, tmp_path).go(_never)
    path = tmp_path / "best.safetensors"
    spec = describe(str(path))
    assert (spec.name, spec.labels, spec.sizes) == ("best", LABELS, (96,))
    assert "24 pictures" in spec.description
    assert inspect(path)["classes"] == 4
    detector = load(str(path))
    image = torch.zeros(3, 50, 70, dtype=torch.uint8)
    (found,) = detector.detect([detector.prepare(image, 96)], [DetectOptions(conf=0.0, max_detections=5)])
    assert len(found) == 5


def test_a_run_refuses_other_data_than_it_began_with(options: RunOptions, tmp_path: Path) -> None:
    """Going on with changed labels would measure something else."""
    out, data = tmp_path / "out", tmp_path / "data"
    write_yolo(data, DrawOptions(9, 3, 64))
    _run(replace(options, data=str(data)), out).save()
    label = next((data / "labels/train").iterdir())
    label.write_text("0 0.5 0.5 0.25 0.25\n")
    with pytest.raises(DataError, match="not as it was when this run began"):
        _resumed(out)


def test_a_picture_that_vanishes_is_named(options: RunOptions, tmp_path: Path) -> None:
    """The error of a worker process is one sentence with the file's name."""
    data = tmp_path / "data"
    write_coco(data, DrawOptions(8, 2, 64))
    run = _run(replace(options, data=str(data)), tmp_path / "out", machine=Machine(workers=1, cache_mib=0))
    (data / "images/train/00003.jpg").write_bytes(b"gone")
    with pytest.raises(DataError, match=r"^\S+00003\.jpg: it is no JPEG, PNG, WebP or BMP picture$"):
        run.go(_never)


def test_a_loss_that_is_no_number_ends_the_run(options: RunOptions, tmp_path: Path) -> None:
    """It says what may help instead of saving broken weights."""
    network = Yolo(TINY)
    with torch.no_grad():
        next(network.parameters()).fill_(math.nan)
    with pytest.raises(Diverged, match="a smaller --lr"):
        _run(options, tmp_path, network).go(_never)
    assert not (tmp_path / "training.pt").exists()


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path: Path) -> None:
    """A checkpoint is tensors and plain values; what else a pickle names is not run."""
    torch.save({"options": Path("x")}, tmp_path / "training.pt")
    with pytest.raises(DataError, match="no checkpoint of a run"):
        saved_run(RunFiles(tmp_path))


def test_memory_for_pictures_is_bounded(folder: Path) -> None:
    """Beyond the bound pictures are read each time; they are the same."""
    pictures = read_data(Source(folder)).train
    bounded, whole = Views(pictures, 96, 3 * 96 * 72 * 3), Views(pictures, 96, 10**9)
    for views in (bounded, whole):
        while views.keep_next():
            pass
    assert (len(bounded._kept), len(whole._kept)) == (3, 24)
    assert (bounded[20].pixels == whole[20].pixels).all()


def test_fine_tuning_keeps_all_but_the_classes() -> None:
    """Whatever does not name a class is the demo's; rows of a class that both know are, too; others are fresh."""
    source = read_network(DEMO_WEIGHTS)
    network = fine_tuned(source, DEMO_LABELS, ("house", "star"))
    rows = {name for name in network.state_dict() if name.startswith("head.classes.") and ".2." in name[13:]}
    for name, value in network.state_dict().items():
        if name not in rows:
            assert torch.equal(value, source.state_dict()[name]), name
    star = DEMO_LABELS.index("star")
    for name in rows:
        assert torch.equal(network.state_dict()[name][1], source.state_dict()[name][star])
        assert not torch.equal(network.state_dict()[name][0], source.state_dict()[name][0])


def test_a_run_may_begin_with_the_outcome_of_another(options: RunOptions, tmp_path: Path) -> None:
    """Its own weights are taken up whole where the classes are the same."""
    first = _run(replace(options, epochs=1), tmp_path)
    assert first.go(_never)
    network, _ = starting_network(replace(options, weights=str(tmp_path / "best.safetensors")), LABELS)
    halved = read_network(tmp_path / "best.safetensors")
    assert all(torch.equal(network.state_dict()[name], value) for name, value in halved.state_dict().items())


def test_weights_of_another_kind_are_refused(options: RunOptions, tmp_path: Path) -> None:
    """A file that is no weights file is told by its name."""
    (tmp_path / "x.safetensors").write_bytes(b"12345678 no")
    with pytest.raises(WeightsError, match="x.safetensors"):
        starting_network(replace(options, weights=str(tmp_path / "x.safetensors")), LABELS)


def test_from_scratch_the_seed_decides(options: RunOptions) -> None:
    """The same seed begins with the same network, in the size that was asked for."""
    small = replace(options, weights="none", network="small")
    first, again = (starting_network(small, LABELS)[0].state_dict() for _ in range(2))
    other = starting_network(replace(small, seed=2), LABELS)[0].state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["backbone.stem.conv.weight"], other["backbone.stem.conv.weight"])


def test_the_curve_is_a_picture(tmp_path: Path) -> None:
    """One epoch or many, with a measure or without."""
    one = Epoch(1, 5, 3.2, 1.0, 2.0, 0.2, 1e-3, None, None, 1.0)
    draw_curve([one], tmp_path / "one.png")
    draw_curve([replace(one, epoch=i, map50=i / 50, map50_95=i / 60) for i in range(1, 50)], tmp_path / "many.png")
    with Image.open(tmp_path / "one.png") as first, Image.open(tmp_path / "many.png") as many:
        assert first.size == many.size
        assert first.tobytes() != many.tobytes()


def test_the_first_signal_asks_and_the_second_does_not_wait() -> None:
    """Ctrl-C ends in order; pressed again it ends at once; afterwards it is as before."""
    before = signal.getsignal(signal.SIGINT)
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_command_checks_trains_and_tells(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a data set to a weights file with its measure; a folder that holds a run is not written over."""
    out = tmp_path / "run"
    assert main(["--data", str(folder), "--check", "--size", "96"]) == command.DONE
    assert "24 pictures to learn from, 8 to measure on" in capsys.readouterr().err
    flags = ["--data", str(folder), "--out", str(out), "--epochs", "2", "--size", "96", "--batch", "8"]
    flags += ["--device", "cpu", "--workers", "0", "--threads", "1"]
    assert main(flags) == command.DONE
    said = capsys.readouterr()
    assert f"tenfold up --model {out}/best.safetensors" in said.err
    assert said.out == ""
    figures = json.loads((out / "figures.json").read_text())
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert figures["map50_95"] == pytest.approx(max(one["map50_95"] for one in logged), abs=0.01)
    assert set(figures["classes"]) == set(LABELS)
    assert main(flags) == command.WRONG
    assert f"--resume {out}" in capsys.readouterr().err
    assert main(["--resume", str(out), "--device", "cpu", "--workers", "0"]) == command.DONE


def test_the_command_tells_faults_and_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A data set that is not there, and a run that is not there, are one sentence each."""
    assert main(["--data", str(tmp_path / "gone")]) == command.FAILED
    assert main(["--data", str(tmp_path / "gone"), "--check"]) == command.FAILED
    assert main(["--resume", str(tmp_path)]) == command.FAILED
    assert "no run to go on with" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--size", "100", "--data", "x"],
        ["--epochs", "0", "--data", "x"],
        ["--lr", "-1", "--data", "x"],
        ["--network", "small", "--data", "x"],
        ["--resume", "y", "--data", "x"],
        ["--check"],
    ],
)
def test_wrong_flags_are_wrong_usage(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and the flag is named."""
    with pytest.raises(SystemExit) as caught:
        main(flags)
    assert caught.value.code == 2
    assert flags[0] in capsys.readouterr().err.splitlines()[-1]
