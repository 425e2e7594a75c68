"""A checkpoint that somebody brings, through the commands and the real interface."""

import io
import json
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from models.detector import DetectOptions
from models.registry import load
from tests.system.load import files
from tests.system.running import command, environment, running
from tests.unit.models.checkpoints import foreign

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def picture() -> Image.Image:
    """Colours that change from place to place, 96 pixels a side as the checkpoint's own input."""
    noise = np.random.default_rng(4).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)


def test_a_checkpoint_serves_by_its_path_with_its_own_boxes(tmp_path: Path) -> None:
    """`tenfold up --model best.pt` answers over HTTP with exactly the boxes that the checkpoint's network gives."""
    path = tmp_path / "best.pt"
    foreign.write(path, "yolo11")
    pixels = torch.from_numpy(np.asarray(picture()).copy()).permute(2, 0, 1)
    detector = load(str(path))
    options = DetectOptions(conf=0.3, max_detections=20)
    (expected,) = detector.detect([detector.prepare(pixels, 96)], [options])
    assert len(expected)
    png = io.BytesIO()
    picture().save(png, "PNG")
    with running(tmp_path / "data", "--no-sample", "--device", "cpu", "--model", str(path)) as up:
        fields = {"conf": "0.3", "max_detections": "20"}
        reply = httpx.post(f"{up.url}/v1/detect", files=files([png.getvalue()]), data=fields, timeout=60)
        assert reply.status_code == 200, reply.text
        found = reply.json()["results"][0]["detections"]
        served = httpx.get(f"{up.url}/v1/models").json()["models"]
    assert [(model["name"], model["sizes"]) for model in served] == [("best", [96, 640, 480, 320])]
    assert len(found) == len(expected)
    np.testing.assert_allclose([one["box"] for one in found], expected.boxes.numpy(), atol=0.05)
    assert [one["class_id"] for one in found] == expected.class_ids.tolist()


def test_a_checkpoint_is_inspected_and_imported_by_command(tmp_path: Path) -> None:
    """`tenfold models` tells what a checkpoint holds and writes the file that workers load, or says what is wrong."""
    path = tmp_path / "best.pt"
    foreign.write(path, "yolov5", anchors=True)
    told = run("inspect", str(path), "--json")
    assert (told.returncode, json.loads(told.stdout)["family"]) == (0, "yolov5")
    written = run("import", str(path), "--sizes", "64")
    assert written.returncode == 0
    assert str(tmp_path / "best.safetensors") in written.stdout
    assert run("inspect", str(tmp_path / "best.safetensors")).returncode == 0
    path.write_bytes(b"no checkpoint")
    refused = run("inspect", str(path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no zip archive" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert run("import").returncode == 2


def run(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command("models", *args), env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
