"""Where the commands write: tables and bars for people on stderr, data on stdout; and the options they share."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tenfold.client import DEFAULT_URL, Job, Tenfold

Url = Annotated[str, typer.Option("--url", envvar="TENFOLD_URL", help="Where Tenfold answers.")]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="TENFOLD_API_KEY", help="The key to send.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Plain JSON on stdout.")]
Model = Annotated[str | None, typer.Option(help="The model; the service's own where not given.", show_default=False)]
Conf = Annotated[float | None, typer.Option(help="The least score, 0 to 1.", show_default="0.25")]
Iou = Annotated[float | None, typer.Option(help="Overlap that merges boxes, 0 to 1.", show_default="0.7")]
MaxDetections = Annotated[int | None, typer.Option(help="Objects in a picture at most.", show_default="300")]
ImgSz = Annotated[int | None, typer.Option(help="The model's input size, one that it offers.", show_default=False)]
Priority = Annotated[
    str | None,
    typer.Option(help="high, normal or low.", show_default="normal", autocompletion=lambda: ["high", "normal", "low"]),
]
DeadlineMs = Annotated[int | None, typer.Option(help="Milliseconds after which it is no longer wanted.")]

URL = DEFAULT_URL


def people() -> Console:
    """The console for people, on stderr: no colour or motion off a terminal or with NO_COLOR."""
    return Console(stderr=True, highlight=False)


def connect(url: str, api_key: str | None) -> Tenfold:
    """A client of the service at `url`."""
    return Tenfold(url, api_key, on_retry=_tell_of_retry)


def _tell_of_retry(why: str, wait_s: float) -> None:
    note(f"{why}; trying again in {wait_s:.1f} s")


def print_json(value: Any) -> None:
    """`value` on stdout as JSON, indented; records and plain values alike."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(text + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], whole: int = 0) -> Table:
    """A table for people; None shows as a dash. The first `whole` columns are never broken: they are to be copied."""
    built = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        built.add_column(column, overflow="fold", no_wrap=place < whole)
    for row in rows:
        built.add_row(*("-" if cell is None else escape(str(cell)) for cell in row))
    return built


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values under each other; what is None is left out."""
    built = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    for name, value in pairs:
        if value is not None:
            built.add_row(name, escape(str(value)))
    return built


def progress() -> Progress:
    """A bar with a count, a rate and the time left; nothing where there is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=people(),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


class Bar:
    """Images on their way, on a bar of `progress`: how many of how many, images/s, time left."""

    def __init__(self, shown: Progress, total: int) -> None:
        self._shown = shown
        self._task: TaskID = shown.add_task("", total=total, rate="")
        self._done = 0
        self._began_s = time.monotonic()

    def says(self, text: str) -> None:
        """What is being done."""
        self._shown.update(self._task, description=text)

    def advance(self, more: int) -> None:
        """So many images more are done."""
        self.reach(self._done + more)

    def at_least(self, done: int) -> None:
        """So many images are done, or more, as was told before."""
        self.reach(max(done, self._done))

    def reach(self, done: int) -> None:
        """So many images are done."""
        self._done = done
        rate = done / max(time.monotonic() - self._began_s, 1e-9)
        self._shown.update(self._task, completed=done, rate=f"{rate:.1f} images/s" if done else "")


@contextlib.contextmanager
def bar(total: int) -> Iterator[Bar]:
    """A bar for `total` images, gone when they are done."""
    with progress() as shown:
        yield Bar(shown, total)


def examples(*lines: str) -> str:
    """Command lines for the end of a command's help, each on a line of its own."""
    # A blank line is what keeps two lines apart there.
    return "\n\n".join(["Examples:", *lines])


def note(text: str) -> None:
    """A line for people, beside whatever else is shown."""
    # Not broken into lines: what it tells to type is to be copied.
    people().print(f"tenfold: {text}", style="yellow", markup=False, soft_wrap=True)


def count(number: int, what: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


JOB_COLUMNS = ("job", "state", "images", "level", "eta", "age")


def job_line(job: Job) -> tuple[object, ...]:
    """A job as a row under `JOB_COLUMNS`."""
    state = f"{job.state}, open" if job.open else job.state
    return (job.id, state, images_of(job), job.level, eta_of(job), _age(job.created_at))


def images_of(job: Job) -> str:
    """How far a job is, such as `7/10, 1 bad`."""
    failed = f", {job.images.failed} bad" if job.images.failed else ""
    return f"{job.images.done}/{job.images.total}{failed}"


def eta_of(job: Job) -> str | None:
    """When it should be done, from now."""
    return None if job.eta_ms is None else f"{job.eta_ms / 1000:.1f} s"


def _age(created_at: str | None) -> str | None:
    if created_at is None:
        return None
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds()
    except (ValueError, TypeError):
        return created_at
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def exit_status_of(job: Job) -> int:
    """0 where every image has a result, 3 where some have, 1 where the job did not succeed."""
    if job.state != "succeeded":
        return 1
    return 3 if job.images.failed else 0
