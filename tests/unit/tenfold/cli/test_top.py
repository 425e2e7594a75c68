import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from tenfold.cli import main
from tenfold.cli.system_view import Snapshot, draw
from tenfold.client import ImageCounts, Job
from tests.unit.tenfold.canned_service import CannedService, canned_service, job

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


def shown(told: Snapshot, trouble: str = "") -> str:
    console = Console(width=110, no_color=True)
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
