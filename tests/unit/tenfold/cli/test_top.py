import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from tenfold.cli import main
from tenfold.cli.system_view import Snapshot, draw
from tenfold.cli.top import _Screen, look
from tenfold.client import ImageCounts, Job, Tenfold
from tenfold.client.retries import NONE
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service, job

QUEUES = {
    "leader": "1",
    "jobs": 2,
    "drain_items_per_s": 12.34,
    "queued": {"items": 30, "items_max": 20000},
    "queues": [
        {"level": 0, "waiting_items": 0, "queued_batches": 0, "running_batches": 1, "oldest_wait_ms": 0.0},
        {"level": 2, "waiting_items": 25, "queued_batches": 2, "running_batches": 0, "oldest_wait_ms": 1500.0},
        {"level": 2, "waiting_items": 4, "queued_batches": 0, "running_batches": 0, "oldest_wait_ms": 20.0},
    ],
    "batches": [{"id": "b1", "level": 0, "worker": "w-1", "images": 7, "for_ms": 40.0, "shares": [{}, {}]}],
    "turns": {"sank": 3, "aged": 0, "held_down": 2},
    "values": {"name": "tenfold:values", "queued": 3, "to_come": 41, "oldest_wait_ms": 12.0, "workers": 1},
    "history": {
        "every_ms": 1000,
        "samples": [
            {"done_per_s": 5.0, "p50_ms": [12.0, None, 800.0], "p99_ms": [30.0, None, 2400.0]},
            {"done_per_s": 10.0, "p50_ms": [None, None, 900.0], "p99_ms": [None, None, 2500.0]},
        ],
    },
}
VALUES_WORKERS = [{"name": "values-worker.1a2b", "queue": "tenfold:values", "beat_age_ms": 3.0}]
WORKERS = [{"name": "w-1", "model": "demo", "device": "cpu", "levels": [0, 1, 2], "batches": ["b1"]}]


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        running.reply("GET", "/v1/queues", QUEUES)
        running.reply("GET", "/v1/workers", {"workers": WORKERS, "values_workers": VALUES_WORKERS})
        running.reply("GET", "/v1/jobs", {"jobs": [job("running", total=40, done=10)]}, {"jobs": []})
        yield running


def shown(told: Snapshot, trouble: str = "", width: int = 110) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(draw(told, trouble))
    return captured.get()


def test_the_screen_has_lanes_workers_jobs_rates_and_waits() -> None:
    """Levels gather their lanes, a worker is shown with its batch, and waits are each level's newest."""
    running = Job("0123456789abcdef", "running", ImageCounts(40, 10, 1), level=2, position=29, eta_ms=3200)
    text = shown(Snapshot("http://x", QUEUES, WORKERS, [running], VALUES_WORKERS))
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "12.3 images/s" in text
    assert "30 of 20000 images queued" in text
    assert "sank 3, held down 2" in text
    assert "■" in lines["0"]
    assert all(part in lines["2"] for part in ("□□···", "29", "1.5 s", "900 ms", "2.5 s"))
    assert "12 ms" in lines["0"]
    assert "7 images of 2 jobs, level 0, for 40 ms" in lines["w-1"]
    assert "3 due, 41 to come" in lines["values-worker.1a2b"]
    assert all(part in lines["89abcdef"] for part in ("11/40 (1 failed)", "29", "3.2 s"))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_broken_however_narrow_the_screen(width: int) -> None:
    """What there is no room for is cut off, so that the screen has the same lines; the newest rates stay."""
    long = Job("0123456789abcdef", "running", ImageCounts(4000, 1000, 1), level=2, position=29, eta_ms=3200)
    samples = [{"done_per_s": 1.0}] * 99 + [{"done_per_s": 10.0}]
    queues = {**QUEUES, "history": {"samples": samples}, "turns": {"sank": 10**9, "held_down": 10**9, "aged": 10**9}}
    told = Snapshot("http://a-rather-long-name.example:8000", queues, WORKERS, [long], VALUES_WORKERS)
    lines = shown(told, "no news: " + "why " * 60, width).splitlines()
    assert len(lines) == len(shown(told, "no news", 400).splitlines())
    assert all(len(line) <= width for line in lines)
    assert next(line for line in lines if line.startswith("images/s")).rstrip().endswith("▂█")


@pytest.mark.parametrize(("end", "status"), [("q", 0), ("\x04", 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_top_leaves_the_terminal_as_it_was(service: CannedService, end: str | signal.Signals, status: int) -> None:
    """However it is ended: cursor and screen are back, and keys are shown again; a resize in between is drawn."""
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "tenfold", "top", "--every", "0.1", "--url", service.url]
    # A size that is told by the environment, as pytest-xdist does, would count for more than the terminal's.
    env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}} | {"TERM": "xterm"}
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    try:
        text = read_until(ours, "w-1")
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        termios.tcsetwinsize(theirs, (50, 200))
        text += read_until(ours, " " * 150)
        if isinstance(end, str):
            os.write(ours, end.encode())
        else:
            running.send_signal(end)
        text += read_until(ours, "\x1b[?1049l")
        assert running.wait(20) == status
        assert termios.tcgetattr(theirs) == before
        assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    finally:
        running.kill()
        running.wait()
        os.close(ours)
        os.close(theirs)


def read_until(terminal: int, mark: str) -> str:
    """What is written to a terminal, up to `mark` and a little further."""
    text, end_s = "", time.monotonic() + 60
    while mark not in text:
        assert time.monotonic() < end_s, text[-4000:]
        assert select.select([terminal], [], [], 60)[0], text
        text += os.read(terminal, 65536).decode(errors="replace")
    return text


def test_top_goes_on_through_an_outage(service: CannedService) -> None:
    """What it last saw stays, with why there is no news above it; the next look that works takes that away."""
    with Tenfold(service.url, retries=NONE) as client:
        screen = _Screen(client, look(client))
        service.reply("GET", "/v1/queues", Reply(b"<html>Bad Gateway</html>", 502), Reply(QUEUES))
        screen.look_again()
        assert screen.trouble.startswith("no news: ")
        assert screen.shown.queues["jobs"] == 2
        screen.look_again()
        assert screen.trouble == ""


def test_a_service_that_tells_less_is_shown_all_the_same() -> None:
    """Empty answers make an empty screen that says that no scheduler leads, and what is wrong stands first."""
    text = shown(Snapshot("http://x", {}, [], []), "no news: gone")
    assert text.startswith("no news: gone")
    assert "no scheduler leads" in text


def test_top_off_a_terminal_is_one_plain_look(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal it looks once and ends; with --json it is data on stdout."""
    assert main(["top", "--url", service.url]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "w-1" in err
    assert "\x1b" not in err
    assert main(["top", "--json", "--url", service.url]) == 0
    assert json.loads(capsys.readouterr().out)["queues"]["jobs"] == 2


def test_the_tables_show_the_values_queue_and_who_serves_it(
    service: CannedService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the images' queues and workers, without which there is a line as well."""
    assert main(["queues", "--url", service.url]) == 0
    assert "tenfold:values: 3 values due (oldest 12 ms), 41 to come, 1 worker" in capsys.readouterr().err
    assert main(["workers", "--url", service.url]) == 0
    assert "values-worker.1a2b" in capsys.readouterr().err
