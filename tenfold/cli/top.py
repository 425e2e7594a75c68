"""`tenfold top`: the system as it works, again and again on one screen."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Annotated, Any, Final, Self

import typer
from rich.console import Console
from rich.live import Live

from tenfold.cli import keys, terminal
from tenfold.cli.system_view import Snapshot, draw
from tenfold.client import ApiError, Job, NotReachable, Tenfold, WaitRanOut
from tenfold.client.retries import NONE

EXAMPLES = terminal.examples("tenfold top", "tenfold top --every 0.5", "tenfold top --once", "tenfold top --json")
ACTIVE_JOBS_MAX = 20
QUIT: Final = frozenset({"q", "Q", keys.CTRL_D})
FIGURES_ONLY = "figures"
"""What `/v1/queues` calls its view where keys are on and none was shown: jobs are not to be seen then."""

Every = Annotated[float, typer.Option(min=0.1, max=60, help="Seconds between two looks.")]
Once = Annotated[bool, typer.Option("--once", help="One look, as plain text; so too where there is no terminal.")]


def top(
    every: Every = 1.0,
    once: Once = False,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Levels with their batches, workers with what they run, jobs, rates and waits; live until q or Ctrl-C."""
    console = terminal.people()
    # A look that fails is made up for by the next one.
    with Tenfold(url, api_key, read_timeout_s=10.0, retries=NONE) as client:
        first = look(client)
        if as_json:
            told = {"queues": first.queues, "workers": first.workers, "values_workers": first.values_workers}
            terminal.print_json({**told, "jobs": first.jobs})
        elif once or not console.is_terminal or console.is_dumb_terminal:
            console.print(draw(first))
        else:
            _live(console, client, first, every)


def look(client: Tenfold) -> Snapshot:
    """One look at everything. Raises ClientError."""
    queues = client.get("/v1/queues")
    told = client.get("/v1/workers")
    jobs = _jobs(client) if queues.get("view") != FIGURES_ONLY else []
    return Snapshot(client.url, queues, told.get("workers") or [], jobs, told.get("values_workers") or [])


def _jobs(client: Tenfold) -> list[Job]:
    running = client.jobs(state="running", limit=ACTIVE_JOBS_MAX).jobs
    return [*running, *client.jobs(state="queued", limit=ACTIVE_JOBS_MAX).jobs][:ACTIVE_JOBS_MAX]


@dataclass(slots=True)
class _Screen:
    """What is shown: the last look that worked, and what is wrong since."""

    client: Tenfold
    shown: Snapshot
    trouble: str = ""

    def look_again(self) -> None:
        try:
            self.shown, self.trouble = look(self.client), ""
        except (NotReachable, WaitRanOut, ApiError) as error:
            self.trouble = f"no news: {error}"


def _live(console: Console, client: Tenfold, first: Snapshot, every_s: float) -> None:
    screen = _Screen(client, first)
    with (
        _Signals() as signals,
        keys.pressed_at_once() as has_keys,
        Live(draw(first), console=console, screen=True, auto_refresh=False) as live,
    ):
        key_within = keys.next_key if has_keys else keys.no_key
        while (status := _ended_within(every_s, signals, key_within)) is None:
            screen.look_again()
            live.update(draw(screen.shown, screen.trouble), refresh=True)
    raise typer.Exit(status)


def _ended_within(wait_s: float, signals: "_Signals", key_within: Callable[[float], str]) -> int | None:
    """The exit status, where somebody ended it before `wait_s` were over."""
    end_s = time.monotonic() + wait_s
    while signals.status is None and (left_s := end_s - time.monotonic()) > 0:
        if QUIT.intersection(key_within(min(0.1, left_s))):
            return 0
    return signals.status


class _Signals:
    """Ctrl-C and SIGTERM as something to look for between two looks: raised within a request, Ctrl-C can leave a lock
    held for ever, and after a sudden end the terminal would stay as it is.

    A second one acts as usual.

    Attributes:
        status: the exit status that the one that came asks for.
    """

    status: int | None = None

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.status = 128 + number
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
