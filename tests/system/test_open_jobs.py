"""Jobs that stay open, on the whole system: large folders by the command line, kills in between, and who forgets."""

import csv
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tenfold.client.delivery import PART_IMAGES_MAX
from tests.system.load import PICTURE, Api, files
from tests.system.running import SYNTHETIC, Running, command, environment, eventually, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
PICTURES = 1_200
# Room for one part and a bit, so that a folder waits for room again and again.
ROOM = {"TENFOLD_QUEUED_ITEMS_MAX": str(3 * PART_IMAGES_MAX), "TENFOLD_LEASE_S": "2"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("open"), "--no-sample", "--model", SYNTHETIC, env=ROOM) as up:
        yield up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny pictures, each of another width than the one before."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        Image.new("1", (8 + number % 50, 8)).save(folder / f"{number:04}.png")
    return folder


def tenfold(system: Running, *args: str, status: int = 0) -> "subprocess.CompletedProcess[bytes]":
    env = environment(TENFOLD_URL=system.url)
    ended = subprocess.run(command(*args), env=env, capture_output=True, check=False, timeout=200)
    assert ended.returncode == status, ended.stderr.decode()
    return ended


def add(system: Running, job_id: str, images: int) -> httpx.Response:
    return httpx.post(f"{system.url}/v1/jobs/{job_id}/images", files=files([PICTURE] * images), timeout=30)


def newest(system: Running) -> dict[str, object]:
    jobs: list[dict[str, object]] = httpx.get(f"{system.url}/v1/jobs?limit=1").json()["jobs"]
    return jobs[0] if jobs else {"open": False}


def test_a_large_folder_is_detected_as_one_job(system: Running, folder: Path) -> None:
    """More pictures than may be queued at once go in parts, wait for room, and come back each in its place."""
    ended = tenfold(system, "detect", str(folder), "--format", "csv")
    rows = list(csv.DictReader(ended.stdout.decode().splitlines()))
    assert [row["name"] for row in rows] == [f"{number:04}.png" for number in range(PICTURES)]
    assert [int(row["width"]) for row in rows] == [8 + number % 50 for number in range(PICTURES)]
    job = newest(system)
    assert job["images"] == {"total": PICTURES, "done": PICTURES, "failed": 0}
    assert b"trying again" in ended.stderr


def test_a_large_folder_is_submitted_as_one_job(system: Running, folder: Path) -> None:
    """One id, one job with all pictures, closed, and its trace tells of the parts."""
    job_id = tenfold(system, "jobs", "submit", str(folder)).stdout.decode().strip()
    watched = json.loads(tenfold(system, "jobs", "watch", job_id, "--json").stdout)
    assert watched["images"] == {"total": PICTURES, "done": PICTURES, "failed": 0}
    told = json.loads(tenfold(system, "jobs", "trace", job_id, "--json").stdout)["trace"]
    assert [entry["kind"] for entry in told if entry["kind"] == "closed"] == ["closed"]


def test_ctrl_c_in_the_middle_of_a_large_folder(system: Running, folder: Path) -> None:
    """Detect cancels the part that was sent; submit says which job has it, and that can be closed."""
    for args, state in ((("detect",), "canceled"), (("jobs", "submit"), "succeeded")):
        env = environment(TENFOLD_URL=system.url)
        sending = subprocess.Popen(
            command(*args, str(folder), str(folder), str(folder)), env=env, stderr=subprocess.PIPE, text=True
        )
        assert eventually(lambda: newest(system)["open"] is True and _total(system) > 0)
        sending.send_signal(signal.SIGINT)
        _, said = sending.communicate(timeout=30)
        assert sending.returncode == 130
        assert "Traceback" not in said
        job_id = str(newest(system)["id"])
        if state == "succeeded":
            assert job_id in said
            tenfold(system, "jobs", "close", job_id)
        assert Api(system.url).until_final(job_id)["state"] == state


def _total(system: Running) -> int:
    counts = newest(system)["images"]
    assert isinstance(counts, dict)
    return int(counts["total"])


def test_a_kill_of_the_scheduler_forgets_no_part(system: Running) -> None:
    """Parts before, while there is none, and after: each image is done once, and the job waits for its close."""
    api = Api(system.url)
    job_id = httpx.post(f"{system.url}/v1/jobs?open=1").json()["id"]
    assert add(system, job_id, 60).status_code == 202
    system.children()["scheduler"].kill()
    assert add(system, job_id, 60).status_code == 202
    api.until_done(job_id, 120)
    assert api.job(job_id)["state"] == "running"
    system.children()["scheduler"].kill()
    assert httpx.post(f"{system.url}/v1/jobs/{job_id}/close").json()["state"] == "succeeded"
    assert [result["index"] for result in api.results(job_id)] == list(range(120))
    assert eventually(lambda: httpx.get(f"{system.url}/readyz").status_code == 200)


def test_a_job_that_everybody_forgot_is_closed(tmp_path: Path) -> None:
    """After TENFOLD_OPEN_JOB_S without a part it ends with what it has, and says why."""
    with running(tmp_path, "--no-sample", "--model", SYNTHETIC, env={"TENFOLD_OPEN_JOB_S": "2"}) as up:
        api = Api(up.url)
        job_id = httpx.post(f"{up.url}/v1/jobs?open=1", files=files([PICTURE])).json()["id"]
        time.sleep(1.0)
        assert add(up, job_id, 2).status_code == 202
        job = api.until_final(job_id, within_s=30)
        assert (job["state"], job["images"]["done"]) == ("succeeded", 3)
        assert add(up, job_id, 1).json()["code"] == "job_closed"
        told = httpx.get(f"{up.url}/v1/jobs/{job_id}/trace").json()["trace"]
        assert [entry["detail"].get("why") for entry in told if entry["kind"] == "closed"] == [
            "nothing was added for 2 s"
        ]
