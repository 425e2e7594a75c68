"""Several models in one system, and new versions of them, with real processes throughout."""

import io
import json
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from models.registry import describe
from tests.system.load import files
from tests.system.running import SYNTHETIC, Running, command, environment, running
from tests.unit.models.tiny import write_tiny

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
JOB_IMAGES = 300


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (90, 160, 40)).save(out, "PNG")
    return out.getvalue()


def tenfold(up: Running, *args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*args, "--url", up.url), env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def batch_of(result: dict[str, Any]) -> tuple[str, str]:
    return result["batch"]["id"], result["batch"]["version"]


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    flags = ("--no-sample", "--device", "cpu", "--model", "demo", "--model", SYNTHETIC)
    with running(tmp_path_factory.mktemp("two"), *flags) as up:
        yield up


def test_two_models_are_served_side_by_side(two_models: Running) -> None:
    """Each is asked for by its name, the first by none; batches never mix them."""
    jobs = []
    with httpx.Client(base_url=two_models.url, timeout=60) as http:
        for model in (None, SYNTHETIC, "demo", SYNTHETIC):
            data = {"model": model} if model else {}
            reply = http.post("/v1/jobs", files=files([picture()] * 25), data=data)
            assert reply.status_code == 202, reply.text
            jobs.append((model or "demo", reply.json()["id"]))
        batches: dict[str, set[str]] = defaultdict(set)
        for model, job in jobs:
            results = _results(http, job, 25)
            assert all(result["error"] is None for result in results)
            for result in results:
                batches[result["batch"]["id"]].add(model)
    assert all(len(models) == 1 for models in batches.values())
    assert {next(iter(models)) for models in batches.values()} == {"demo", SYNTHETIC}


def test_the_commands_show_both(two_models: Running) -> None:
    """`models list` has both with their worker, the default marked; `workers` names what a worker holds."""
    models = json.loads(tenfold(two_models, "models", "list", "--json").stdout)["models"]
    shown = [(one["name"], one["default"], one["workers"]) for one in models]
    assert shown == [("demo", True, 1), (SYNTHETIC, False, 1)]
    (worker,) = json.loads(tenfold(two_models, "workers", "--json").stdout)["workers"]
    assert [one["name"] for one in worker["models"]] == ["demo", SYNTHETIC]
    assert "demo" in tenfold(two_models, "workers").stderr


@dataclass
class Singles:
    """Sends one image after the other until it is told to stop, and keeps every answer."""

    url: str
    answers: list[httpx.Response] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as http:
            while not self.stop.is_set():
                self.answers.append(http.post("/v1/detect", content=picture(), headers={"content-type": "image/png"}))
                self.stop.wait(0.01)


def test_a_reload_under_load_drops_nothing_and_mixes_no_versions(tmp_path: Path) -> None:
    """While singles and a large job run, both workers take a new file: nothing fails, and each batch has one version.

    A file that cannot be loaded then changes nothing.
    """
    path = write_tiny(tmp_path / "best.safetensors", 1)
    old = describe(str(path)).version
    flags = ("--no-sample", "--device", "cpu", "--workers", "2", "--model", str(path))
    with running(tmp_path / "data", *flags) as up:
        # Ready is who has one worker; the other one would load what is there when it comes.
        _wait_until(lambda: _model(up)["versions"] == [{"version": old, "workers": 2}])
        singles = [Singles(up.url) for _ in range(2)]
        threads = [threading.Thread(target=one.run) for one in singles]
        for thread in threads:
            thread.start()
        try:
            with httpx.Client(base_url=up.url, timeout=60) as http:
                job = http.post("/v1/jobs", files=files([picture()] * JOB_IMAGES)).json()["id"]
                _wait_for_results(http, job, 20)
                new = describe(str(write_tiny(path, 2))).version
                reloaded = tenfold(up, "models", "reload", "best", "--wait", "--json")
                assert reloaded.returncode == 0, reloaded.stderr
                _wait_until(lambda: _versions(singles[0].answers[-3:]) == {new})
                results = _results(http, job, JOB_IMAGES)
        finally:
            for one in singles:
                one.stop.set()
            for thread in threads:
                thread.join()
        answers = [answer for one in singles for answer in one.answers]
        assert [answer.text for answer in answers if answer.status_code != 200] == []
        results += [result for answer in answers for result in answer.json()["results"]]
        assert all(result["error"] is None for result in results)
        versions: dict[str, set[str]] = defaultdict(set)
        for batch, version in map(batch_of, results):
            versions[batch].add(version)
        assert all(len(seen) == 1 for seen in versions.values())
        assert set().union(*versions.values()) == {old, new}
        told = json.loads(reloaded.stdout)
        assert [(one["state"], one["version"]) for one in told["workers"]] == [("served", new)] * 2
        _check_bad_file(up, path, new)


def _check_bad_file(up: Running, path: Path, serving: str) -> None:
    path.write_bytes(b"no weights")
    failed = tenfold(up, "models", "reload", "best", "--wait", "--json")
    assert failed.returncode == 1
    workers = json.loads(failed.stdout)["workers"]
    assert all(one["version"] == serving and "no safetensors file" in one["error"] for one in workers)
    reply = httpx.post(f"{up.url}/v1/detect", files=files([picture()]), timeout=60)
    assert batch_of(reply.json()["results"][0])[1] == serving
    assert _model(up)["versions"] == [{"version": serving, "workers": 2}]
    assert "was not reloaded" in up.log.read_text()


def test_a_queued_job_survives_a_restart_with_another_file(tmp_path: Path) -> None:
    """What waits when the system stops is served by the version that is there at the next start."""
    path = write_tiny(tmp_path / "best.safetensors", 1)
    flags = ("--no-sample", "--device", "cpu", "--model", str(path))
    with running(tmp_path / "data", *flags) as up:
        job = httpx.post(f"{up.url}/v1/jobs", files=files([picture()] * 1000), timeout=60).json()["id"]
        assert up.stop() == 0
    new = describe(str(write_tiny(path, 2))).version
    with running(tmp_path / "data", *flags) as up, httpx.Client(base_url=up.url, timeout=60) as http:
        results = _results(http, job, 1000)
        assert new in {version for _, version in map(batch_of, results)}
        assert all(result["error"] is None for result in results)


def _model(up: Running) -> dict[str, Any]:
    (model,) = httpx.get(f"{up.url}/v1/models").json()["models"]
    return dict(model)


def _versions(answers: list[httpx.Response]) -> set[str]:
    return {batch_of(answer.json()["results"][0])[1] for answer in answers}


def _results(http: httpx.Client, job: str, images: int) -> list[dict[str, Any]]:
    """All results of a job, once it is over."""
    _wait_until(lambda: http.get(f"/v1/jobs/{job}").json()["state"] not in {"queued", "running"})
    told = http.get(f"/v1/jobs/{job}").json()
    assert (told["state"], told["images"]["done"]) == ("succeeded", images)
    return list(http.get(f"/v1/jobs/{job}/results?limit=1000").json()["results"])


def _wait_for_results(http: httpx.Client, job: str, images: int) -> None:
    _wait_until(lambda: http.get(f"/v1/jobs/{job}").json()["images"]["done"] >= images)


def _wait_until(condition: Any) -> None:
    end_s = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.01)
