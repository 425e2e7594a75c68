"""`tenfold queues`, `workers`, `models`: one-shot tables of what the service tells about itself; weights files."""

from collections.abc import Mapping
from typing import Any, Final

import typer

from tenfold import services
from tenfold.cli import reloading, terminal

COLUMNS: Final = {
    "queues": ("name", "waiting_items", "queued_batches", "running_batches", "oldest_wait_ms"),
    "workers": ("name", "state", "models", "device", "levels", "batches", "host"),
    "models": ("name", "version", "workers", "sizes", "labels", "description"),
}

_BUSY: Final = ("waiting_items", "queued_batches", "running_batches")

models_app = typer.Typer(help="What can be served.", no_args_is_help=True)


def queues(as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None) -> None:
    """Depth and age of every queue."""
    _show("queues", as_json, url, api_key)


def workers(
    as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """Who works on what."""
    _show("workers", as_json, url, api_key)


@models_app.command("list", epilog=terminal.examples("tenfold models list", "tenfold models list --json"))
def models_list(
    as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """The models that can be asked for."""
    _show("models", as_json, url, api_key)


models_app.command("reload", epilog=reloading.EXAMPLES)(reloading.reload)


_OWN_OPTIONS: Final = {"ignore_unknown_options": True, "allow_extra_args": True}


@models_app.command("inspect", add_help_option=False, context_settings=_OWN_OPTIONS)
def models_inspect(context: typer.Context) -> None:
    """What a weights file or a YOLO checkpoint holds; nothing of it is run."""
    _weights_command("inspect", context.args)


@models_app.command("import", add_help_option=False, context_settings=_OWN_OPTIONS)
def models_import(context: typer.Context) -> None:
    """Turn a YOLO checkpoint (.pt) into a .safetensors file, which holds numbers only."""
    _weights_command("import", context.args)


def _weights_command(name: str, args: list[str]) -> None:
    services.run_module("models.checkpoints", "models", [name, *args], "worker")


def _show(what: str, as_json: bool, url: str, api_key: str | None) -> None:
    with terminal.connect(url, api_key) as client:
        told = client.get(f"/v1/{what}")
    if as_json:
        terminal.print_json(told)
        return
    rows: list[dict[str, Any]] = told.get(what) or []
    console = terminal.people()
    if what == "queues":
        console.print(_totals(told))
        if told.get("values"):
            console.print(values_line(told["values"]))
        rows = [row for row in rows if any(row.get(name) for name in _BUSY)]
    if what == "workers" and told.get("values_workers"):
        rows = [*rows, *(_as_worker(one) for one in told["values_workers"])]
    if not rows:
        console.print("nothing waits and nothing runs" if what == "queues" else f"no {what}")
        return
    columns = COLUMNS[what]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    console.print(terminal.table(what.capitalize(), [column.replace("_", " ") for column in columns], cells, whole=1))


def _totals(told: dict[str, Any]) -> str:
    queued, rate = told.get("queued") or {}, told.get("drain_items_per_s")
    return (
        f"{queued.get('items', 0)} of {queued.get('items_max', '?')} images queued, "
        f"{'no rate yet' if rate is None else f'{rate:.1f} images/s'}, "
        f"{'a scheduler leads' if told.get('leader') else 'no scheduler leads'}"
    )


def values_line(values: Mapping[str, Any]) -> str:
    """What the queue of the values holds, in a line."""
    waits = values.get("oldest_wait_ms")
    oldest = "" if waits is None else f" (oldest {waits:.0f} ms)"
    workers = terminal.count(values.get("workers") or 0, "worker")
    return (
        f"{values.get('name')}: {values.get('queued')} values due{oldest}, {values.get('to_come')} to come, {workers}"
    )


def _as_worker(values_worker: Mapping[str, Any]) -> dict[str, Any]:
    # Its one queue stands where an inference worker's models do: both are what it works on.
    return {**values_worker, "state": "values", "models": [values_worker.get("queue")]}


_CELL_CHARACTERS_MAX: Final = 120


def _cell(value: Any) -> str | None:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list):
        return ", ".join(_part(part) for part in value)[:_CELL_CHARACTERS_MAX]
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(part)}" for key, part in value.items())[:_CELL_CHARACTERS_MAX]
    return None if value is None else str(value)


def _part(value: Any) -> str:
    # A list of records has one line of values each: a worker's models are "demo 1a2b3c4d, best 5e6f7a8b".
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
