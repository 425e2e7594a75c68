"""`tenfold values …`: the value-generation jobs, and the values that they stored."""

from typing import Annotated

import typer

from tenfold.cli import terminal
from tenfold.values_client import Run, Values

app = typer.Typer(help="Values: generate at random moments, count, sample, delete.", no_args_is_help=True)

Count = Annotated[int, typer.Option(min=1, max=10_000, help="How many values to store.")]
WithinS = Annotated[float, typer.Option(min=0.1, max=3600, help="Within how many seconds all of them are stored.")]
Watch = Annotated[bool, typer.Option("--watch", help="Wait until the run is over; Ctrl-C leaves the run alone.")]
SampleCount = Annotated[int, typer.Option("--count", min=0, help="How many at most.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id.")]


@app.command(
    epilog=terminal.examples(
        "tenfold values generate --count 50 --within-s 10 --watch", "tenfold values show $(tenfold values generate)"
    )
)
def generate(
    count: Count = 50,
    within_s: WithinS = 10.0,
    watch: Watch = False,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Store values at random moments; prints the run's id, without waiting."""
    with terminal.connect(url, api_key) as client:
        values = Values(client)
        run = values.generate(count, within_s)
        if watch:
            run = _follow(values, run)
    if as_json or watch:
        _show(run, as_json)
    else:
        print(run.id)
    raise typer.Exit(_exit_status_of(run))


@app.command(epilog=terminal.examples("tenfold values show ID"))
def show(
    run_id: RunId, as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """One run as it is now, with what failed and why."""
    with terminal.connect(url, api_key) as client:
        run = Values(client).run(run_id)
    _show(run, as_json)


@app.command(epilog=terminal.examples("tenfold values total"))
def total(as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None) -> None:
    """How many values there are."""
    with terminal.connect(url, api_key) as client:
        told = Values(client).total()
    if as_json:
        terminal.print_json(told)
    else:
        print(told.count)


@app.command(epilog=terminal.examples("tenfold values sample --count 5", "tenfold values sample --count 5 --json"))
def sample(
    count: SampleCount = 10,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Some values at random; all there are where there are fewer."""
    with terminal.connect(url, api_key) as client:
        told = Values(client).sample(count)
    if as_json:
        terminal.print_json(told)
    else:
        terminal.people().print(terminal.table(f"Values: {told.count}", ("key", "value"), told.data.items(), whole=1))


@app.command("delete-random", epilog=terminal.examples("tenfold values delete-random"))
def delete_random(
    as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """Delete a random 0 to 10 values."""
    with terminal.connect(url, api_key) as client:
        told = Values(client).delete_random()
    if as_json:
        terminal.print_json(told)
    else:
        terminal.people().print(f"deleted {told.deleted} of the {told.requested} that were drawn")


def _follow(values: Values, run: Run) -> Run:
    with terminal.progress() as bar:
        task = bar.add_task(f"run {run.id[:8]}", total=run.requested, rate="")
        for now in values.watch(run):
            bar.update(task, completed=now.stored + now.failed, rate=f"{now.late} late" if now.late else "")
            run = now
    return run


def _show(run: Run, as_json: bool) -> None:
    if as_json:
        terminal.print_json(run)
        return
    pairs = [
        ("state", run.state),
        ("stored", f"{run.stored}/{run.requested}"),
        ("late", run.late),
        ("failed", run.failed),
        ("started", run.started_at),
        ("finished", run.finished_at),
    ]
    terminal.people().print(terminal.facts(f"Run {run.id}", pairs))
    if run.errors:
        lines = [(error.index, error.code, error.message) for error in run.errors]
        terminal.people().print(terminal.table("What failed", ("value", "code", "why"), lines))


def _exit_status_of(run: Run) -> int:
    """0 where nothing failed so far, 3 where some values did, 1 where none was stored."""
    if run.state == "failed":
        return 1
    return 3 if run.failed else 0
