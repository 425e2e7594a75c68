import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenfold.cli import main
from tests.unit.tenfold.canned_service import CannedService, canned_service


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


def run(state: str = "running", stored: int = 0, failed: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "r1", "state": state, "requested": 5, "stored": stored, "late": 0, "failed": failed, **more}


def test_generate_returns_at_once_with_the_runs_id(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """The run's id alone is on stdout, and what was asked for went over the wire."""
    service.reply("POST", "/v1/values/generate", run(), status=202)
    assert main(["values", "generate", "--count", "5", "--within-s", "2.5", "--url", service.url]) == 0
    assert capsys.readouterr().out == "r1\n"
    assert json.loads(service.asked[0].body) == {"count": 5, "within_s": 2.5}


def test_watched_run_shows_what_failed_and_why(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is watched ends in a table for people, names what failed, and has the status of a partial failure."""
    errors = [{"index": 3, "code": "values_full", "message": "no room"}]
    service.reply("POST", "/v1/values/generate", run(), status=202)
    service.reply("GET", "/v1/values/runs/r1", run(stored=2), run("succeeded", 4, 1, errors=errors))
    assert main(["values", "generate", "--watch", "--url", service.url]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "4/5" in err
    assert "values_full" in err


def test_values_commands_speak_json(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json every command has the service's answer on stdout and nothing else."""
    service.reply("GET", "/v1/values/total", {"count": 7})
    service.reply("GET", "/v1/values", {"count": 1, "data": {"k": "v"}})
    service.reply("DELETE", "/v1/values/random", {"requested": 4, "deleted": 4})
    service.reply("GET", "/v1/values/runs/r1", run("succeeded", 5))
    for words, expected in (
        (["total"], {"count": 7}),
        (["sample", "--count", "3"], {"count": 1, "data": {"k": "v"}}),
        (["delete-random"], {"requested": 4, "deleted": 4}),
    ):
        assert main(["values", *words, "--json", "--url", service.url]) == 0
        assert json.loads(capsys.readouterr().out) == expected
    assert main(["values", "show", "r1", "--json", "--url", service.url]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "succeeded"
    assert service.asked[1].path == "/v1/values?count=3"


def test_values_commands_speak_to_people(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the number is on stdout, tables and sentences are on stderr."""
    service.reply("GET", "/v1/values/total", {"count": 7})
    service.reply("GET", "/v1/values", {"count": 1, "data": {"k": "v"}})
    service.reply("DELETE", "/v1/values/random", {"requested": 4, "deleted": 2})
    for words in (["total"], ["sample"], ["delete-random"]):
        assert main(["values", *words, "--url", service.url]) == 0
    out, err = capsys.readouterr()
    assert out == "7\n"
    assert "Values: 1" in err
    assert "deleted 2 of the 4" in err
