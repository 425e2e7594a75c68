"""The commands against a real system, as a person types them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.system.running import SYNTHETIC, Running, command, environment, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("cli"), "--no-sample", "--model", SYNTHETIC) as up:
        yield up


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(25):
        Image.new("RGB", (64 + number, 48), "white").save(folder / f"{number:02}.png")
    return folder


def tenfold(
    system: Running, *args: str, status: int = 0, stdin: bytes | None = None
) -> "subprocess.CompletedProcess[bytes]":
    ended = subprocess.run(
        command(*args),
        env=environment(TENFOLD_URL=system.url),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == status, ended.stderr.decode()
    return ended


def test_detect_one_picture(system: Running, pictures: Path) -> None:
    """One picture gives its boxes as JSON on stdout."""
    told = json.loads(tenfold(system, "detect", str(pictures / "03.png"), "--json").stdout)
    (result,) = told["results"]
    assert (result["name"], result["width"], result["height"]) == ("03.png", 67, 48)
    assert result["detections"]


def test_detect_from_standard_input(system: Running, pictures: Path) -> None:
    """`-` reads a picture from standard input."""
    ended = tenfold(system, "detect", "-", "--json", stdin=(pictures / "05.png").read_bytes())
    assert json.loads(ended.stdout)["results"][0]["width"] == 69


def test_detect_a_folder_with_a_bad_picture_is_partly_failed(system: Running, pictures: Path) -> None:
    """A folder travels as one job; the picture at fault is named, the others are served, the status is 3."""
    (pictures / "99.png").write_text("no picture")
    out = pictures.parent / "out"
    ended = tenfold(system, "detect", str(pictures), "--save-images", "--format", "json", "--out", str(out), status=3)
    results = json.loads((out / "results.json").read_text())["results"]
    assert [result["index"] for result in results] == list(range(26))
    assert results[25]["error"]["code"]
    assert len(list(out.glob("*.png"))) == 25
    assert b"1 could not be used" in ended.stderr


@pytest.mark.parametrize(
    ("form", "name"), [("coco", "results.coco.json"), ("yolo", "results.yolo.zip"), ("csv", "results.csv")]
)
def test_results_as_other_tools_read_them(system: Running, pictures: Path, form: str, name: str) -> None:
    """COCO, YOLO and CSV are files in --out."""
    out = pictures.parent / "out"
    tenfold(system, "detect", str(pictures / "00.png"), str(pictures / "01.png"), "--format", form, "--out", str(out))
    assert (out / name).stat().st_size > 20


def test_wrong_option_is_the_services_own_word(system: Running, pictures: Path) -> None:
    """A value that the service refuses is one sentence and status 2."""
    ended = tenfold(system, "detect", str(pictures / "00.png"), "--conf", "2", status=2)
    assert b"conf" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_job_from_submit_to_results(system: Running, pictures: Path) -> None:
    """A job can be submitted, watched, shown, listed and read."""
    job_id = tenfold(system, "jobs", "submit", str(pictures)).stdout.decode().strip()
    assert json.loads(tenfold(system, "jobs", "watch", job_id, "--json").stdout)["state"] == "succeeded"
    shown = json.loads(tenfold(system, "jobs", "show", job_id, "--json").stdout)
    assert shown["images"] == {"total": 25, "done": 25, "failed": 0}
    listed = json.loads(tenfold(system, "jobs", "list", "--json").stdout)
    assert job_id in [job["id"] for job in listed["jobs"]]
    assert len(json.loads(tenfold(system, "jobs", "results", job_id).stdout)["results"]) == 25
    told = json.loads(tenfold(system, "jobs", "trace", job_id, "--json").stdout)["trace"]
    assert told
    assert all(entry["kind"] for entry in told)
    rows = tenfold(system, "jobs", "results", job_id, "--format", "csv").stdout.splitlines()
    assert len(rows) == 26
    lines = tenfold(system, "jobs", "results", job_id, "--format", "ndjson").stdout.splitlines()
    assert len(lines) == 25


def test_canceled_job_is_final(system: Running, pictures: Path) -> None:
    """Canceling a finished job changes nothing; an unknown one is status 1."""
    job_id = tenfold(system, "jobs", "submit", str(pictures)).stdout.decode().strip()
    tenfold(system, "jobs", "watch", job_id)
    assert json.loads(tenfold(system, "jobs", "cancel", job_id, "--json").stdout)["state"] == "succeeded"
    tenfold(system, "jobs", "show", "nonsense", status=1)


@pytest.mark.parametrize("what", [("queues",), ("workers",), ("models", "list")])
def test_tables_are_there_for_people_and_programs(system: Running, what: tuple[str, ...]) -> None:
    """Queues, workers and models: a table on stderr, JSON with --json on stdout."""
    assert tenfold(system, *what).stderr
    assert json.loads(tenfold(system, *what, "--json").stdout)


def test_doctor_finds_the_running_system(system: Running) -> None:
    """With settings that point at a running system, nothing is wrong."""
    port = system.url.rpartition(":")[2]
    ended = subprocess.run(
        command("doctor", "--json"),
        env=environment(TENFOLD_PORT=port),
        capture_output=True,
        check=False,
        timeout=100,
    )
    told = json.loads(ended.stdout)
    assert ended.returncode == 0, told["findings"]
    assert told["settings"]["port"] == {"value": port, "from": "TENFOLD_PORT"}
