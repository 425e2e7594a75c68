"""`tenfold models reload`: the workers load a model's file anew, while the old version serves."""

import time
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
import typer

from tenfold.cli import terminal
from tenfold.client import Tenfold, WaitRanOut

EXAMPLES = terminal.examples("tenfold models reload best", "tenfold models reload best --wait --timeout-s 60")
POLL_S: Final = 0.5
LOADED: Final = ("served", "unchanged")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as `tenfold models list` shows it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every worker is done with it, and say what came of it.")]
TimeoutS = Annotated[
    float | None, typer.Option(help="With --wait: how long at most.", show_default="as long as it takes")
]


class WorkerReload(msgspec.Struct, frozen=True):
    """How far one worker is; `error` is why it could not take the new version."""

    worker: str
    state: str
    version: str | None = None
    error: str | None = None


class Reload(msgspec.Struct, frozen=True):
    """A reload as the service tells it; `version` is the one before it."""

    reload: str
    model: str
    version: str
    done: bool
    workers: list[WorkerReload]
    requested_at: str = ""


class _Model(msgspec.Struct, frozen=True):
    name: str
    reload: Reload | None = None


class _Models(msgspec.Struct, frozen=True):
    models: list[_Model]


def reload(
    name: Name,
    wait: Wait = False,
    timeout_s: TimeoutS = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Load a model's file anew, without dropping a request; needs an admin's key where keys are on."""
    with terminal.connect(url, api_key) as client:
        told = client.call("POST", f"/v1/models/{quote(name, safe='/')}/reload", Reload)
        if wait:
            *_, told = _follow(client, told, timeout_s)
    if as_json:
        terminal.print_json(told)
    else:
        _show(told)
    raise typer.Exit(_exit_status_of(told))


def _follow(client: Tenfold, asked: Reload, timeout_s: float | None) -> Iterator[Reload]:
    """The reload as it goes on, until it is done. Raises WaitRanOut."""
    give_up_at_s = None if timeout_s is None else time.monotonic() + timeout_s
    told = asked
    while not told.done:
        if give_up_at_s is not None and time.monotonic() > give_up_at_s:
            raise WaitRanOut(f"model {told.model} is not reloaded after {timeout_s:g} s; it goes on")
        time.sleep(POLL_S)
        models = client.call("GET", "/v1/models", _Models).models
        # Whoever asks for another one meanwhile takes this one over: the newest file is loaded either way.
        told = next((one.reload for one in models if one.name == asked.model and one.reload), told)
        yield told
    yield told


def _show(told: Reload) -> None:
    rows = [(one.worker, one.state, one.version, one.error) for one in told.workers]
    title = f"Model {told.model}, version {told.version} before"
    terminal.people().print(terminal.table(title, ("worker", "state", "version", "why"), rows, whole=2))


def _exit_status_of(told: Reload) -> int:
    """0 where no worker failed, 3 where some did, 1 where all did."""
    failed = [one for one in told.workers if one.state == "failed"]
    if not failed:
        return 0
    return 3 if any(one.state in LOADED for one in told.workers) else 1
