"""The system on one screen: levels as lanes with their batches, workers with what they run, jobs with how far they are.

Drawn from what `/v1/queues`, `/v1/workers` and `/v1/jobs` tell; what an older service does not tell stays empty.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from tenfold.cli import terminal
from tenfold.client import Job

BATCH: Final = 10
BLOCKS_MAX: Final = 40
SPARKS: Final = "▁▂▃▄▅▆▇█"
SPARKS_MAX: Final = 60
BAR_CELLS: Final = 20

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The system at one moment, as it told."""

    url: str
    queues: Told
    workers: Sequence[Told]
    jobs: Sequence[Job]
    values_workers: Sequence[Told] = ()


def draw(told: Snapshot, trouble: str = "") -> RenderableType:
    """Everything, top to bottom; `trouble` is said first. No line is longer than the screen is wide."""
    parts: list[RenderableType] = [_line(Text(trouble, style="bold red"))] if trouble else []
    parts += [*_head(told), _Rates(told.queues), *_turns(told.queues)]
    return Group(*parts, _levels(told.queues), _workers(told), _jobs(told.jobs))


def _line(text: Text) -> Text:
    """A line that is cut off rather than broken."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _head(told: Snapshot) -> Iterator[Text]:
    queued = told.queues.get("queued") or {}
    rate = told.queues.get("drain_items_per_s")
    name = Text("Tenfold", style="bold") + Text(f"  {told.url}", style="not bold")
    if not told.queues.get("leader"):
        name += Text("  no scheduler leads", style="bold red")
    yield _line(name)
    words = [
        "no rate yet" if rate is None else f"{rate:.1f} images/s",
        f"{queued.get('items', 0)} of {queued.get('items_max', '?')} images queued",
        terminal.count(told.queues.get("jobs") or 0, "job"),
    ]
    yield _line(Text(" · ".join(words)))


@dataclass(frozen=True, slots=True)
class _Rates:
    """The rate over the last minutes, as much of it as there is room for; the newest stands last."""

    queues: Told

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        done = [float(sample.get("done_per_s") or 0.0) for sample in _samples(self.queues)]
        name = "images/s "
        room = max(1, min(SPARKS_MAX, options.max_width - len(name)))
        yield _line(Text(name) + Text(_sparkline(done[-room:]), style="green"))


def _turns(queues: Told) -> Iterator[Text]:
    turned = {name.replace("_", " "): number for name, number in (queues.get("turns") or {}).items() if number}
    if turned:
        yield _line(Text(", ".join(f"{name} {number}" for name, number in turned.items()), style="dim"))


def _levels(queues: Told) -> Table:
    table = _table("Levels", "level", "running ■, in RQ □, ten waiting ·", "waiting", "oldest", "wait p50", "p99")
    by_level: dict[int, list[Told]] = {}
    for queue in queues.get("queues") or []:
        by_level.setdefault(int(queue.get("level") or 0), []).append(queue)
    for level, lanes in sorted(by_level.items()):
        oldest = max((lane.get("oldest_wait_ms") or 0.0 for lane in lanes), default=0.0)
        p50, p99 = (_last_of(queues, name, level) for name in ("p50_ms", "p99_ms"))
        waiting = _total(lanes, "waiting_items")
        table.add_row(str(level), _lane(lanes), str(waiting), _time(oldest or None), _time(p50), _time(p99))
    return table


def _lane(lanes: Sequence[Told]) -> Text:
    running, queued = _total(lanes, "running_batches"), _total(lanes, "queued_batches")
    waiting = -(-_total(lanes, "waiting_items") // BATCH)
    line = Text("■" * min(running, BLOCKS_MAX), style="green") + Text("□" * min(queued, BLOCKS_MAX), style="yellow")
    left = max(0, BLOCKS_MAX - len(line))
    return line + Text("·" * min(waiting, left) + ("…" if waiting > left else ""), style="dim")


def _workers(told: Snapshot) -> Table:
    table = _table("Workers", "worker", "models", "device", "levels", "runs")
    batches = {str(batch.get("id")): batch for batch in told.queues.get("batches") or []}
    for worker in told.workers:
        runs = [_batch(batches.get(str(held)), str(held)) for held in worker.get("batches") or []]
        levels = ",".join(str(level) for level in worker.get("levels") or [])
        told_as = Text("; ".join(runs), style="green") if runs else Text("idle", style="dim")
        models = ", ".join(str(model.get("name")) for model in worker.get("models") or [])
        table.add_row(worker.get("name"), models, worker.get("device"), levels, told_as)
    for worker in told.values_workers:
        table.add_row(worker.get("name"), "values", "", "", Text(_values(told.queues.get("values") or {}), style="dim"))
    return table


def _values(values: Told) -> str:
    return f"{values.get('queued') or 0} due, {values.get('to_come') or 0} to come"


def _batch(batch: Told | None, batch_id: str) -> str:
    if batch is None:
        return f"batch {batch_id}"
    jobs = len(batch.get("shares") or [])
    of = f" of {jobs} jobs" if jobs > 1 else ""
    return f"{batch.get('images')} images{of}, level {batch.get('level')}, for {_time(batch.get('for_ms'))}"


def _jobs(jobs: Sequence[Job]) -> Table:
    table = _table("Jobs", "job", "state", "priority", "level", "done", "", "ahead", "eta")
    for job in jobs:
        counts = job.images
        share = counts.finished / counts.total if counts.total else 0.0
        filled = round(share * BAR_CELLS)
        bar = Text("━" * filled, style="green") + Text("━" * (BAR_CELLS - filled), style="dim")
        done = f"{counts.finished}/{counts.total}" + (f" ({counts.failed} failed)" if counts.failed else "")
        level, position = (_or_dash(value) for value in (job.level, job.position))
        table.add_row(job.id[-8:], job.state, job.priority, level, done, bar, position, _time(job.eta_ms))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    return table


def _samples(queues: Told) -> list[Told]:
    return list((queues.get("history") or {}).get("samples") or [])


def _last_of(queues: Told, name: str, level: int) -> float | None:
    """The newest figure of a level: not every sample has one."""
    for sample in reversed(_samples(queues)):
        values = sample.get(name) or []
        if level < len(values) and values[level] is not None:
            return float(values[level])
    return None


def _sparkline(values: Sequence[float]) -> str:
    top = max(values, default=0.0) or 1.0
    return "".join(SPARKS[min(len(SPARKS) - 1, int(value / top * (len(SPARKS) - 1) + 0.5))] for value in values)


def _total(lanes: Iterable[Told], name: str) -> int:
    return sum(int(lane.get(name) or 0) for lane in lanes)


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
