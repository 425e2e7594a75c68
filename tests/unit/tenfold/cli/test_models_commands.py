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


def reload(*states: str, done: bool = True) -> dict[str, Any]:
    workers = [{"worker": f"w{n}", "state": state, "version": "1", "error": None} for n, state in enumerate(states)]
    return {"reload": "r1", "model": "best", "version": "1", "requested_at": "now", "done": done, "workers": workers}


def models(told: dict[str, Any]) -> dict[str, Any]:
    return {"models": [{"name": "another", "reload": None}, {"name": "best", "reload": told}]}


def test_a_reload_is_asked_for_and_not_waited_for(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is shown as it comes: who is asked, and that nothing came of it yet."""
    service.reply("POST", "/v1/models/best/reload", reload("pending", done=False), status=202)
    assert main(["models", "reload", "best", "--json", "--url", service.url]) == 0
    assert json.loads(capsys.readouterr().out)["workers"][0]["state"] == "pending"
    assert [(one.method, one.path) for one in service.asked] == [("POST", "/v1/models/best/reload")]


@pytest.mark.parametrize(
    ("states", "status"),
    [(("served", "unchanged"), 0), (("served", "gone"), 0), (("served", "failed"), 3), (("failed", "failed"), 1)],
)
def test_a_reload_that_is_waited_for_tells_what_came_of_it(
    service: CannedService, capsys: pytest.CaptureFixture[str], states: tuple[str, ...], status: int
) -> None:
    """The command ends when every worker is done; its status says whether all, some or none could."""
    service.reply("POST", "/v1/models/best/reload", reload("pending", "pending", done=False), status=202)
    going = models(reload("loading", "pending", done=False))
    service.reply("GET", "/v1/models", going, models(reload(*states)))
    assert main(["models", "reload", "best", "--wait", "--url", service.url]) == status
    shown = capsys.readouterr().err
    assert all(state in shown for state in states)


def test_the_wait_for_a_reload_can_run_out(service: CannedService, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--timeout-s` it gives up with the status of a wait that ran out; the reload goes on."""
    going = reload("loading", done=False)
    service.reply("POST", "/v1/models/best/reload", going, status=202)
    service.reply("GET", "/v1/models", models(going))
    assert main(["models", "reload", "best", "--wait", "--timeout-s", "0", "--url", service.url]) == 124
    assert "goes on" in capsys.readouterr().err
