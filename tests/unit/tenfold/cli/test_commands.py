import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tenfold.cli import main
from tests.integration.waiting import wait_for
from tests.unit.tenfold.canned_service import CannedService, Reply, broken, canned_service, found, job


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 48), "white").save(path)
    return path


def test_one_picture_is_detected_at_once(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single picture goes through /v1/detect, and with --json the results alone are on stdout."""
    service.reply("POST", "/v1/detect", job(results=[found()]))
    assert main(["detect", str(picture), "--json", "--url", service.url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"][0]["detections"][0]["label"] == "circle"


def test_people_get_their_table_on_stderr(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json nothing is on stdout, and a summary by class is on stderr."""
    service.reply("POST", "/v1/detect", job(results=[found()]))
    assert main(["detect", str(picture), "--url", service.url]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 circle" in err
    assert "\x1b" not in err


def test_folder_travels_as_one_job_and_partly_failing_is_3(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several pictures are one job; the status says that some of them failed."""
    Image.new("RGB", (5, 5)).save(picture.with_name("b.jpg"))
    service.reply("POST", "/v1/jobs", job("queued", total=2, done=0), status=202)
    service.reply("GET", "/v1/jobs/j1", job("succeeded", total=2, done=1, failed=1))
    service.reply("GET", "/v1/jobs/j1/results", {"results": [found(0), broken(1)], "next_cursor": None})
    assert main(["detect", str(picture.parent), "--format", "ndjson", "--url", service.url]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1]


def test_pictures_in_formats_that_are_not_read_are_told_of(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder's HEIC and GIF pictures are left out, and a note says how many; other files are nobody's business."""
    for name in ("IMG_1.HEIC", "IMG_2.heic", "a.gif", "notes.txt"):
        picture.with_name(name).write_bytes(b"")
    service.reply("POST", "/v1/detect", job(results=[found()]))
    assert main(["detect", str(picture.parent), "--url", service.url]) == 0
    told = capsys.readouterr().err
    assert "left out 2 .heic, 1 .gif" in told
    assert "txt" not in told


def test_an_archive_is_sent_where_archives_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`detect` names the command that takes one, and sends nothing."""
    (tmp_path / "photos.zip").write_bytes(b"PK")
    assert main(["detect", str(tmp_path / "photos.zip")]) == 2
    assert "jobs submit" in capsys.readouterr().err


def test_an_address_is_taken_as_people_type_it(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a scheme it is http, a slash at the end changes nothing, and https where http is spoken says so."""
    service.reply("POST", "/v1/detect", job(results=[found()]))
    for url in (service.url.removeprefix("http://"), service.url + "/"):
        assert main(["detect", str(picture), "--url", url]) == 0
    capsys.readouterr()
    assert main(["detect", str(picture), "--url", service.url.replace("http:", "https:")]) == 4
    assert "does it speak http" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stdout."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tenfold 0.")


def test_annotated_pictures_are_saved(service: CannedService, picture: Path, tmp_path: Path) -> None:
    """--save-images leaves a PNG of each picture in --out."""
    service.reply("POST", "/v1/detect", job(results=[found()]))
    out = tmp_path / "out"
    assert main(["detect", str(picture), "--save-images", "--out", str(out), "--url", service.url]) == 0
    with Image.open(out / "00000-a.png") as drawn:
        assert drawn.size == (64, 48)


def test_who_finds_nothing_learns_what_the_model_knows(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model that was asked is named with its classes, and not where something was found or data was asked for."""
    known = [
        {"name": "other", "labels": ["cat"], "default": False},
        {"name": "demo", "labels": ["circle", "square"], "default": True},
    ]
    service.reply("GET", "/v1/models", {"models": known})
    service.reply("POST", "/v1/detect", job(results=[{**found(), "detections": []}]))
    assert main(["detect", str(picture), "--url", service.url]) == 0
    assert "the model demo knows circle, square;" in capsys.readouterr().err
    assert main(["detect", str(picture), "--model", "other", "--url", service.url]) == 0
    assert "the model other knows cat;" in capsys.readouterr().err
    assert main(["detect", str(picture), "--json", "--url", service.url]) == 0
    assert "knows" not in capsys.readouterr().err
    service.reply("POST", "/v1/detect", job(results=[found()]))
    assert main(["detect", str(picture), "--url", service.url]) == 0
    assert "knows" not in capsys.readouterr().err


def test_refusal_is_status_1_with_the_services_words(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A problem document is one sentence on stderr."""
    service.reply("POST", "/v1/detect", {"title": "Unprocessable", "detail": "conf is 2"}, status=422)
    assert main(["detect", str(picture), "--conf", "2", "--url", service.url]) == 1
    assert capsys.readouterr().err == "tenfold: conf is 2\n"


@pytest.mark.parametrize(("code", "status"), [("invalid_field", 2), ("unknown_model", 2), ("truncated_image", 1)])
def test_a_value_that_the_service_does_not_take_is_wrong_usage(
    service: CannedService, picture: Path, code: str, status: int
) -> None:
    """What a flag says is 2 also where only the service can tell; what is wrong with a picture is 1."""
    service.reply("POST", "/v1/detect", {"title": "Unprocessable", "detail": "no", "code": code}, status=422)
    assert main(["detect", str(picture), "--url", service.url]) == status


def test_results_are_json_also_by_the_flag_of_the_others(
    service: CannedService, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json, as every command has it, is plain JSON on stdout and nothing else."""
    service.reply("GET", "/v1/jobs/j1/results", {"results": [found(0)], "next_cursor": None})
    assert main(["jobs", "results", "j1", "--json", "--url", service.url]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["index"] == 0


@pytest.mark.parametrize(
    "args",
    [
        ["jobs", "results", "x", "--json", "--format", "csv"],
        ["detect", "a.png", "--json", "--format", "csv"],
        ["detect", "/nowhere/at/all.png"],
        ["detect"],
        ["jobs", "show"],
        ["detect", "--no-such-flag"],
        ["detect", "a.png", "--format", "xml"],
        ["detect", "a.png", "--format", "yolo"],
        ["jobs", "results", "x", "--format", "xml"],
        ["up", "--port", "many"],
        ["up", "--port", "70000"],
        ["up", "--device", "tpu"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_status_2(args: list[str]) -> None:
    """What cannot be meant is status 2 before anything is started or asked."""
    assert main(args) == 2


def test_a_folder_that_cannot_be_written_is_a_sentence(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An --out that is a file is status 1 and named, without a traceback."""
    service.reply("POST", "/v1/detect", job(results=[found()]))
    args = ["detect", str(picture), "--save-images", "--out", str(picture), "--url", service.url]
    assert main(args) == 1
    assert str(picture) in capsys.readouterr().err


def test_a_refusal_for_now_is_told_and_tried_again(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the service says to come back later, a line says so, and the command goes on."""
    busy = Reply({"title": "Busy"}, 503, {"Retry-After": "0"})
    service.reply("POST", "/v1/detect", busy, Reply(job(results=[found()])))
    assert main(["detect", str(picture), "--url", service.url]) == 0
    assert "trying again" in capsys.readouterr().err


def test_the_shell_completes_commands_and_words(tmp_path: Path) -> None:
    """Completion gives commands, and the words that an option takes."""
    for words, expected in (("tenfold jo", "jobs"), ("tenfold detect a.jpg --format co", "coco")):
        env = {**os.environ, "_TENFOLD_COMPLETE": "complete_bash", "COMP_WORDS": words}
        env["COMP_CWORD"] = str(len(words.split()) - 1)
        command = [sys.executable, "-c", "from tenfold.cli import main; main([])"]
        told = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert expected in told.stdout.split()


def test_wait_that_runs_out_is_status_124(service: CannedService) -> None:
    """A job that takes longer than --wait ends the command with 124."""
    service.reply("GET", "/v1/jobs/j1", job("running", done=0))
    assert main(["jobs", "watch", "j1", "--wait", "0.01", "--url", service.url]) == 124


@pytest.mark.parametrize(("state", "failed", "status"), [("succeeded", 0, 0), ("succeeded", 1, 3), ("canceled", 0, 1)])
def test_watch_tells_how_a_job_ended(service: CannedService, state: str, failed: int, status: int) -> None:
    """The exit status of a watch is the job's end."""
    service.reply("GET", "/v1/jobs/j1", job(state, failed=failed))
    assert main(["jobs", "watch", "j1", "--url", service.url]) == status


def test_submit_prints_the_id_alone(service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script can take the id from stdout."""
    service.reply("POST", "/v1/jobs", job("queued", done=0), status=202)
    assert main(["jobs", "submit", str(picture), "--url", service.url]) == 0
    assert capsys.readouterr().out == "j1\n"


def test_tables_show_what_the_service_tells(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """Queues, workers and models are shown with the fields that the service has."""
    service.reply("GET", "/v1/workers", {"workers": [{"name": "w-1", "state": "idle", "levels": [0, 1]}]})
    assert main(["workers", "--url", service.url]) == 0
    assert "w-1" in capsys.readouterr().err


def test_ctrl_c_cancels_what_it_waited_for_and_is_130(service: CannedService, picture: Path) -> None:
    """Ctrl-C while waiting for pictures cancels their job and ends with 130, without a traceback."""
    Image.new("RGB", (5, 5)).save(picture.with_name("b.jpg"))
    service.reply("POST", "/v1/jobs", job("queued", total=2, done=0), status=202)
    service.reply("GET", "/v1/jobs/j1", job("running", total=2, done=0))
    service.reply("DELETE", "/v1/jobs/j1", job("canceled", total=2, done=0))
    command = [sys.executable, "-m", "tenfold", "detect", str(picture.parent), "--url", service.url]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: any(asked.method == "GET" for asked in service.asked) or waiting.poll() is not None)
    assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert "Traceback" not in err
    assert service.asked[-1].method == "DELETE"


@pytest.mark.parametrize("args", [["detect"], ["jobs", "submit"]])
def test_ctrl_c_while_parts_are_sent(service: CannedService, picture: Path, args: list[str]) -> None:
    """Detect cancels what it sent so far; submit leaves it and says which job has how much, and how to close it."""
    busy = Reply({"title": "Too Many Requests", "code": "client_queue_full"}, 429, {"Retry-After": "30"})
    service.reply("POST", "/v1/jobs", job("queued", total=0, done=0, open=True), status=202)
    service.reply("POST", "/v1/jobs/j1/images", Reply(job("running", total=500, done=0, open=True), 202), busy)
    service.reply("DELETE", "/v1/jobs/j1", job("canceled", total=500, done=0))
    command = [sys.executable, "-m", "tenfold", *args, *[str(picture)] * 501, "--url", service.url]
    sending = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(service.asked) >= 3 or sending.poll() is not None)
    assert sending.poll() is None
    sending.send_signal(signal.SIGINT)
    out, err = sending.communicate(timeout=20)
    assert sending.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    assert (service.asked[-1].method == "DELETE") == (args == ["detect"])
    assert ("job j1 has 500 of 501 pictures" in err and "tenfold jobs close j1" in err) == (args != ["detect"])


def test_a_wait_that_runs_out_while_parts_are_sent_is_124(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was sent is canceled, since nobody would close it, and how much that was is told."""
    service.reply("POST", "/v1/jobs", job("queued", total=0, done=0, open=True), status=202)
    service.reply("DELETE", "/v1/jobs/j1", job("canceled", total=0, done=0))
    assert main(["detect", *[str(picture)] * 501, "--wait", "0", "--url", service.url]) == 124
    assert service.asked[-1].method == "DELETE"
    assert "0 of 501 pictures were sent in the time given: job j1 is canceled" in capsys.readouterr().err


def test_a_wait_that_runs_out_after_all_was_sent_leaves_the_job(
    service: CannedService, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is 124 too, and says which job goes on."""
    service.reply("POST", "/v1/jobs", job("queued", total=2, done=0), status=202)
    service.reply("GET", "/v1/jobs/j1", job("running", total=2, done=0))
    assert main(["detect", str(picture), str(picture), "--wait", "0", "--url", service.url]) == 124
    assert "job j1 is not done after the time given, and goes on" in capsys.readouterr().err
    assert not [asked for asked in service.asked if asked.method == "DELETE"]


def test_an_open_job_can_be_closed_by_hand(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs close` shows the job as it is then."""
    service.reply("POST", "/v1/jobs/j1/close", job("succeeded"))
    assert main(["jobs", "close", "j1", "--url", service.url]) == 0
    assert "succeeded" in capsys.readouterr().err


def test_wrong_setting_stops_a_command_with_2(tmp_path: Path) -> None:
    """A wrong variable is one line with what is allowed."""
    ended = subprocess.run(
        [sys.executable, "-m", "tenfold", "up", "--data-dir", str(tmp_path)],
        env={**os.environ, "TENFOLD_BATCH_SIZE": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "TENFOLD_BATCH_SIZE is 'none'" in ended.stderr


def test_commands_never_load_torch() -> None:
    """The commands' process holds neither torch nor any service."""
    code = (
        "import sys, tenfold.cli.app, tenfold.local\n"
        "print([m for m in ('torch', 'gateway', 'scheduler', 'inference_worker', 'models') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_simulator_reads_its_own_options() -> None:
    """`tenfold simulate --help` is the simulator's help, by its own name."""
    command = [sys.executable, "-m", "tenfold", "simulate", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert ended.stdout.startswith("usage: tenfold simulate")
