"""Value generation on the whole system: in time whatever runs beside it, and counts that always add up."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.system.load import FINAL, Api, files
from tests.system.running import Running, command, environment, eventually, running

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]
IMAGES = 500


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The system with its real model, on the machine's own cores."""
    with running(tmp_path_factory.mktemp("values"), "--no-sample", "--device", "cpu") as system:
        yield system


class Beside:
    """A 500-image job that always runs: when one ends, the next is sent."""

    def __init__(self, up: Running, folder: Path) -> None:
        picture = folder / "picture.jpg"
        Image.effect_noise((640, 480), 60).convert("RGB").save(picture, quality=80)
        self._api = Api(up.url)
        self._pictures = [picture.read_bytes()] * IMAGES
        self.job_id = ""

    def ensure(self) -> None:
        if not self.job_id or self._api.job(self.job_id)["state"] in FINAL:
            reply = httpx.post(f"{self._api.url}/v1/jobs", files=files(self._pictures), timeout=60)
            assert reply.status_code == 202, reply.text
            self.job_id = reply.json()["id"]
        assert eventually(lambda: self._api.job(self.job_id)["state"] != "queued")

    def stop(self) -> None:
        httpx.delete(f"{self._api.url}/v1/jobs/{self.job_id}")


@pytest.fixture
def beside(up: Running, tmp_path: Path) -> Iterator[Beside]:
    job = Beside(up, tmp_path)
    yield job
    job.stop()


def generate(up: Running, **body: Any) -> str:
    reply = httpx.post(f"{up.url}/v1/values/generate", json=body)
    assert reply.status_code == 202, reply.text
    return up.url + reply.headers["location"]


def total(up: Running) -> int:
    return int(httpx.get(f"{up.url}/v1/values/total").json()["count"])


def seconds_of(run: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def check_run_beside_images(up: Running, beside: Beside) -> None:
    """Fifty values within ten seconds, looked at when the ten seconds have passed."""
    beside.ensure()
    before = total(up)
    began_s = time.monotonic()
    run_path = generate(up)
    assert eventually(lambda: time.monotonic() >= began_s + 10.0)
    run = httpx.get(run_path).json()
    assert (run["state"], run["stored"], run["late"], run["failed"]) == ("succeeded", 50, 0, 0), run
    assert seconds_of(run) <= 10.0
    assert total(up) == before + 50


def test_all_fifty_are_stored_when_ten_seconds_have_passed(up: Running, beside: Beside) -> None:
    """Three times of three, fifty values are stored within ten seconds by one worker beside a 500-image job."""
    for _ in range(3):
        check_run_beside_images(up, beside)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_all_fifty_are_stored_twenty_times_of_twenty(up: Running, beside: Beside) -> None:
    """Twenty times of twenty, fifty values are stored within ten seconds by one worker beside a 500-image job."""
    for _ in range(20):
        check_run_beside_images(up, beside)


def test_killed_values_worker_is_started_again_and_finishes(up: Running) -> None:
    """The system starts a killed values worker again; it finishes the run, none twice, what came due meanwhile late."""
    before = total(up)
    run_path = generate(up, count=50, within_s=4)
    assert eventually(lambda: httpx.get(run_path).json()["stored"] >= 10)
    up.children()["values-worker"].kill()
    assert eventually(lambda: httpx.get(run_path).json()["state"] != "running")
    run = httpx.get(run_path).json()
    assert (run["stored"], run["failed"]) == (50, 0)
    assert run["late"] >= 1
    assert total(up) == before + 50


def test_commands_reach_the_values(up: Running) -> None:
    """`tenfold values` generates, counts and samples on a running system."""

    def tell(*words: str) -> Any:
        line = [*command("values", *words), "--json", "--url", up.url]
        return json.loads(subprocess.run(line, capture_output=True, check=True, env=environment()).stdout)

    before = tell("total")["count"]
    run = tell("generate", "--count", "20", "--within-s", "1", "--watch")
    assert (run["state"], run["stored"]) == ("succeeded", 20)
    assert tell("sample", "--count", "5")["count"] == 5
    deleted = tell("delete-random")["deleted"]
    assert tell("total")["count"] == before + 20 - deleted


def check_counts_add_up(up: Running, for_s: float) -> None:
    """Runs, random deletes and samples at once: no 5xx, and what was stored less what was deleted is there."""
    httpx.delete(f"{up.url}/v1/values")
    over = threading.Event()
    runs: list[str] = []
    deleted: list[int] = []

    def repeat(work: Any) -> None:
        with httpx.Client(base_url=up.url, timeout=30) as http:
            while not over.is_set():
                work(http)

    def begin(http: httpx.Client) -> None:
        reply = http.post("/v1/values/generate", json={"count": 100, "within_s": 1})
        assert reply.status_code == 202, reply.text
        runs.append(reply.headers["location"])
        over.wait(0.3)

    def delete(http: httpx.Client) -> None:
        reply = http.delete("/v1/values/random")
        assert reply.status_code == 200, reply.text
        deleted.append(reply.json()["deleted"])

    def look(http: httpx.Client) -> None:
        for path in ("/v1/values?count=20", "/v1/values/total", "/v1/values?all=1"):
            reply = http.get(path)
            assert reply.status_code == 200, reply.text
            assert "data" not in reply.json() or reply.json()["count"] == len(reply.json()["data"])

    with ThreadPoolExecutor(5) as pool:
        loops = [pool.submit(repeat, work) for work in (begin, delete, delete, look, look)]
        over.wait(for_s)
        over.set()
        for loop in loops:
            loop.result()
    stored = 0
    for run_path in runs:
        assert eventually(lambda path=run_path: httpx.get(up.url + path).json()["state"] != "running")  # type: ignore[misc]
        run = httpx.get(up.url + run_path).json()
        assert (run["stored"], run["failed"]) == (100, 0)
        stored += run["stored"]
    assert total(up) == stored - sum(deleted)


def test_counts_add_up(up: Running) -> None:
    """For some seconds of concurrent runs, deletes and samples, counts add up and nothing is a 5xx."""
    check_counts_add_up(up, 5.0)


@pytest.mark.soak
def test_counts_add_up_for_a_minute(up: Running) -> None:
    """For a minute of concurrent runs, deletes and samples, counts add up and nothing is a 5xx."""
    check_counts_add_up(up, 60.0)
