"""A detector of one's own, from pictures on the disk to boxes over HTTP, by the commands of `docs/models.md`."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from models.train.sample_data import LABELS
from tests.system.load import files
from tests.system.running import environment, eventually, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def python(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment(OMP_NUM_THREADS="1", PYTHONPATH=str(Path(__file__).parents[2])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said = process.communicate(timeout=200)[1]
    return process.returncode, said


def logged(folder: Path) -> int:
    log = folder / "run" / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_run_is_stopped_gone_on_with_and_served(tmp_path: Path) -> None:
    """Ctrl-C saves and says how to go on; that command ends the run; the service then answers with its classes."""
    drawn = python(
        tmp_path, "models.train.sample_data", "--out", "shapes", "--train", "48", "--val", "8", "--side", "192"
    )
    assert ended(drawn)[0] == 0
    flags = ["--data", "shapes", "--out", "run", "--epochs", "12", "--size", "192", "--batch", "8", "--device", "cpu"]
    run = python(tmp_path, "models.train", *flags, "--workers", "1")
    eventually(lambda: bool(logged(tmp_path)) or run.poll() is not None)
    run.send_signal(signal.SIGINT)
    status, said = ended(run)
    assert status == 130, said
    assert "To go on: python -m models.train --resume run" in said
    assert 1 <= logged(tmp_path) < 12
    status, said = ended(python(tmp_path, "models.train", "--resume", "run", "--device", "cpu", "--workers", "1"))
    assert status == 0, said
    assert "tenfold up --model run/best.safetensors" in said
    assert logged(tmp_path) == 12
    assert json.loads((tmp_path / "run/figures.json").read_text())["map50"] > 0.2
    with running(
        tmp_path / "data", "--no-sample", "--device", "cpu", "--model", f"{tmp_path}/run/best.safetensors"
    ) as up:
        pictures = [path.read_bytes() for path in sorted((tmp_path / "shapes/images/val").iterdir())]
        reply = httpx.post(f"{up.url}/v1/detect", files=files(pictures), data={"conf": "0.2"}, timeout=60)
        assert reply.status_code == 200, reply.text
        found = [one for result in reply.json()["results"] for one in result["detections"]]
        (model,) = httpx.get(f"{up.url}/v1/models").json()["models"]
    assert (model["name"], model["sizes"]) == ("best", [192])
    assert found
    assert {one["label"] for one in found} <= set(LABELS)
