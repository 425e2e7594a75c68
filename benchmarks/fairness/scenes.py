"""The six scenes: each starts its system, plays, and says what was found."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.fairness.beside import (
    BULK,
    JOB_IMAGES,
    LEAD_S,
    RATE_PER_S,
    SINGLES,
    Block,
    Job,
    arrivals,
    block,
    eta_error,
    one_job,
)
from benchmarks.fairness.cutting import LAST_LEVEL_ONLY, Pair, pair
from benchmarks.fairness.ledger import Ledger
from benchmarks.fairness.overload import PATIENT, Bound, Endured, Overload, endure, users
from benchmarks.fairness.rivals import MANY, ONE_JOB, WINDOW_MS, Shares, rivals
from benchmarks.fairness.scale import Scale, blocks
from benchmarks.fairness.stage import Stage, stage
from benchmarks.figures import Spread, percentile, shown
from benchmarks.report import Figure, Section, Table
from scheduler.core.config import CoreConfig

T = TypeVar("T")

Workers = dict[str, tuple[str, ...]]
GENERAL: Workers = {"general": ()}
RESERVED: Workers = {"reserved": ("--levels", "0"), "general": ()}
USERS = 20
PATIENT_IMAGES = 30
HARDLY_MS = 10.0
"""A wait for a bulk's micro-batch below this is two workers' race for a batch, not a wait."""


@dataclass(frozen=True)
class Scene:
    """What a scene needs: its length, where finished steps are kept, a picture, a way to tell progress."""

    scale: Scale
    ledger: Ledger
    picture: bytes
    tell: Callable[[str], None]

    def step(self, name: str, kind: type[T], measure: Callable[[], T]) -> T:
        """A measurement, or what an interrupted run found."""
        self.tell(f"fairness: {name}")
        return self.ledger.step(name, kind, measure)


def singles_beside_jobs(scene: Scene, section: Section) -> None:
    """Scenes 1 and 4: one general worker."""
    calm, beside, alone = _blocks(scene, "one worker", GENERAL, scene.scale.singles, jobs_alone=True)
    _tabulate_blocks(section, "Singles beside 200-image jobs, one worker", calm, beside)
    jobs = [(found, job) for found in beside for job in found.jobs]
    stretches = [found.less_singles_ms(job) / median(one.took_ms for one in alone) for found, job in jobs]
    slowdown, stretch = _p99(beside) / _p99(calm), median(stretches)
    section.tables.append(_jobs_table(alone, beside, stretches))
    section.figures += [
        Figure("single-image p99 beside 200-image jobs ÷ without, 2 singles/s", "≤ 2", shown(slowdown), slowdown <= 2),
        Figure(
            "that job's time, less the singles' service, ÷ its time alone", "≤ 1.15", shown(stretch), stretch <= 1.15
        ),
    ]
    for where, found in (("alone", alone), ("beside singles", [job for _, job in jobs])):
        error = eta_error(found)
        name = f"`eta_ms` of a 200-image job {where}: median error half-way"
        section.figures.append(Figure(name, "< 20 %", _percent(error), error < 0.2))
    section.raw["one worker"] = {
        "stretches": stretches,
        "eta_errors_alone": [job.eta_error for job in alone],
        "eta_errors_beside": [job.eta_error for _, job in jobs],
    }


def reserved_worker(scene: Scene, section: Section) -> None:
    """Scene 6: a worker for level 0 alone beside a general one."""
    calm, beside, _ = _blocks(scene, "reserved worker", RESERVED, scene.scale.reserved_singles, jobs_alone=False)
    _tabulate_blocks(section, "Singles beside 200-image jobs, one reserved and one general worker", calm, beside)
    counted = [one for found in beside for one in found.singles]
    waited = sum(one.blocked_ms > HARDLY_MS for one in counted)
    ratio = _p99(beside) / _p99(calm)
    by_reserved = sum(one.worker.startswith("reserved") for one in counted) / len(counted)
    section.figures += [
        Figure("the same p99 ÷ p99 with a worker reserved for level 0", "", shown(ratio)),
        Figure(
            "singles that waited for a bulk's micro-batch, with that worker",
            "none",
            f"{waited} of {len(counted)}",
            waited == 0,
        ),
    ]
    section.raw["reserved worker"] = {"waited_for_bulk": waited, "of": len(counted), "by_the_reserved": by_reserved}


def two_clients(scene: Scene, section: Section) -> None:
    """Scene 2."""
    images, rounds = scene.scale.rivals, scene.scale.rival_rounds
    names = [f"two clients, {images} images each, round {number + 1}" for number in range(rounds)]
    found = [_two_clients(scene, name) for name in names]
    rows = [
        (
            *(str(number + 1), str(len(one.shares)), _percent(min(one.shares)), _percent(max(one.shares))),
            *(shown(one.both_waited_ms / 1000), shown(one.singles_last_ms / 1000)),
        )
        for number, one in enumerate(found)
    ]
    columns = ("round", "windows", "job's share, least", "greatest", "both waited s", "last single accepted after s")
    notes = (
        f"a {images}-image job of one client against {images} single-image requests of another, sent at once",
        f"windows of {WINDOW_MS / 1000:g} s, every 0.1 s, in which both always had images waiting",
        "worker time by the results",
    )
    section.tables.append(Table("Two clients", columns, rows, notes))
    least, greatest = min(min(one.shares) for one in found), max(max(one.shares) for one in found)
    section.figures.append(
        Figure(
            "either client's share of the service in any 5 s in which both wait",
            "40 to 60 %",
            f"{_percent(least)} to {_percent(greatest)}",
            least >= 0.4 and greatest <= 0.6,
        )
    )
    section.raw["two clients"] = [{"shares": one.shares, "both_waited_ms": one.both_waited_ms} for one in found]


def _two_clients(scene: Scene, name: str) -> Shares:
    async def play(up: Stage) -> Shares:
        return await rivals(up, scene.scale.rivals, scene.picture)

    return scene.step(name, Shares, lambda: _on_stage((ONE_JOB, MANY), GENERAL, play, scene.picture))


def overloaded(scene: Scene, section: Section) -> None:
    """Scene 3."""
    plan = Overload(scene.scale.overload_s, USERS, PATIENT_IMAGES)

    async def play(up: Stage) -> Endured:
        return await endure(up, plan, scene.picture)

    found = scene.step(
        f"overload, {USERS} users, {plan.seconds:g} s",
        Endured,
        lambda: _on_stage((PATIENT, *users(USERS)), GENERAL, play, scene.picture),
    )
    bounds = {"by the model's cost": plan.batch_cost_ms, "by the longest batch measured": found.batch_ms}
    allowed = {name: Bound(CoreConfig(), USERS + 1, batch_ms).ms for name, batch_ms in bounds.items()}
    longest_ms = max(found.gaps_ms)
    rows = [
        (name, shown(bounds[name]), shown(ms / 1000), shown(longest_ms / 1000), shown(longest_ms / ms))
        for name, ms in allowed.items()
    ]
    columns = ("C", "ms", "A + T + F, s", "longest wait for a start, s", "÷")
    notes = (
        f"{found.singles} single images of {USERS} users in {found.load_s:g} s: {plan.load:g} times the capacity",
        f"the {PATIENT_IMAGES}-image `low` job ended {shown(found.ended_s)} s after it came; aged {found.aged} times",
        f"{found.starts_under_load} of its {found.starts} starts came while level-0 images waited",
    )
    section.tables.append(Table("A `low` job under overload", columns, rows, notes))
    section.raw["overload"] = {"gaps_ms": found.gaps_ms, "overtaken": found.overtaken, "bounds_ms": allowed}
    section.figures += [
        Figure(
            f"a `low` {PATIENT_IMAGES}-image job ends under level-0 load of 120 %",
            f"within its {plan.seconds:g} s",
            f"after {shown(found.ended_s)} s",
            found.ended_s <= plan.seconds,
        ),
        Figure(
            "its longest wait for a start ÷ the bound A + T + F",
            "≤ 1",
            shown(longest_ms / allowed["by the longest batch measured"]),
            longest_ms <= allowed["by the longest batch measured"],
        ),
    ]


def in_pieces(scene: Scene, section: Section) -> None:
    """Scene 5."""
    names = [f"pieces or whole, pair {number + 1}" for number in range(scene.scale.pairs)]
    if scene.ledger.has(*names):
        found = [scene.ledger.step(name, Pair, _unreachable) for name in names]
    else:
        found = _pairs(scene, names)
    speeds = [one.speed for one in found]
    rows = [
        ("in pieces", str(Spread.of([one.pieces_ms for one in found])), shown(median(o.pieces_a_batch for o in found))),
        ("whole", str(Spread.of([one.whole_ms for one in found])), shown(median(o.whole_a_batch for o in found))),
    ]
    notes = (
        "two systems that take turns; the one whose worker serves the last level alone never cuts a batch",
        f"speed in pieces ÷ whole, by pairs: {Spread.of(speeds)}",
    )
    section.tables.append(
        Table(
            f"A {JOB_IMAGES}-image job alone",
            ("batches", "ms, first claim to end", "micro-batches a batch"),
            rows,
            notes,
        )
    )
    speed = median(speeds)
    section.figures.append(
        Figure(
            "a job alone with batches in pieces: its speed ÷ with whole ones", "≥ 0.97", f"{speed:.3f}", speed >= 0.97
        )
    )
    section.raw["pieces"] = {"speeds": speeds}


def _pairs(scene: Scene, names: Sequence[str]) -> list[Pair]:
    with ExitStack() as stack:
        general, uncut = (stack.enter_context(_stage((BULK,), {"general": flags})) for flags in ((), LAST_LEVEL_ONLY))
        asyncio.run(_warm(general, BULK, scene.picture))
        asyncio.run(_warm(uncut, BULK, scene.picture))
        return [
            scene.step(name, Pair, _pair_of(general, uncut, scene.picture, general_first=number % 2 == 0))
            for number, name in enumerate(names)
        ]


def _pair_of(general: Stage, uncut: Stage, picture: bytes, *, general_first: bool) -> Callable[[], Pair]:
    return lambda: asyncio.run(pair(general, uncut, picture, general_first=general_first))


def _unreachable() -> Pair:  # a resumed run has the step already
    raise AssertionError("the step is finished")


SCENES: dict[str, Callable[[Scene, Section], None]] = {
    "rivals": two_clients,
    "overload": overloaded,
    "pieces": in_pieces,
    "reserved": reserved_worker,
    "singles": singles_beside_jobs,
}
"""By name, the short ones first."""


# -- blocks of singles ------------------------------------------------------------------------------------------------


def _blocks(
    scene: Scene, where: str, workers: Workers, singles: int, *, jobs_alone: bool
) -> tuple[list[Block], list[Block], list[Job]]:
    """Blocks without and beside jobs, which take turns in being first; a job alone before each pair."""
    found: dict[bool, list[Block]] = {False: [], True: []}
    alone: list[Job] = []
    with _stage((SINGLES, BULK), workers) as up:
        asyncio.run(_warm(up, BULK, scene.picture))
        for number, count in enumerate(blocks(singles)):
            if jobs_alone:
                name = f"{where}, job alone {number + 1}"
                alone.append(scene.step(name, Job, lambda: asyncio.run(_alone(up, scene.picture))))
            times_s = arrivals(count, seed=number + 1)
            for jobs in (False, True) if number % 2 == 0 else (True, False):
                name = f"{where}, {count} singles {'beside jobs' if jobs else 'alone'}, block {number + 1}"
                found[jobs].append(scene.step(name, Block, _block_of(up, times_s, scene.picture, jobs=jobs)))
    return found[False], found[True], alone


def _block_of(up: Stage, times_s: Sequence[float], picture: bytes, *, jobs: bool) -> Callable[[], Block]:
    return lambda: asyncio.run(block(up, times_s, picture, jobs=jobs))


async def _alone(up: Stage, picture: bytes) -> Job:
    async with up.caller(BULK) as bulk:
        return await one_job(bulk, picture)


def _tabulate_blocks(section: Section, title: str, calm: Sequence[Block], beside: Sequence[Block]) -> None:
    rows = []
    for name, found in (("alone", calm), ("beside jobs", beside)):
        took_ms = [one.took_ms for each in found for one in each.singles]
        section.raw[f"{title}: {name}, ms"] = took_ms
        cells = (*(shown(percentile(took_ms, share)) for share in (0.5, 0.95, 0.99)), shown(max(took_ms)))
        rows.append((name, str(len(took_ms)), *cells))
    covered = sum(found.covered * len(found.singles) for found in beside) / sum(len(found.singles) for found in beside)
    notes = (
        f"a Poisson process of {RATE_PER_S:g}/s, the same arrivals in both; from when each was due to its answer",
        f"{len(calm)} blocks of each, in turns, so that a neighbour's noise falls on both",
        f"jobs begin {LEAD_S:g} s before the first counted single; one was there in {_percent(covered)} of the time",
    )
    section.tables.append(Table(title, ("singles", "count", "p50 ms", "p95", "p99", "worst"), rows, notes))


def _jobs_table(alone: Sequence[Job], beside: Sequence[Block], stretches: Sequence[float]) -> Table:
    ran = [job for found in beside for job in found.jobs]
    rows = [
        ("alone", str(len(alone)), str(Spread.of([job.took_ms for job in alone])), "", _percent(eta_error(alone))),
        (
            *("beside singles", str(len(ran)), str(Spread.of([job.took_ms for job in ran]))),
            *(str(Spread.of(stretches)), _percent(eta_error(ran))),
        ),
    ]
    notes = (
        "(the job's time − Σ worker time of the singles that were claimed while it was there) ÷ the median time alone",
        "a job's time is from its acceptance to its end, on the server's clock",
        "ETA's error: |`eta_ms` − what was left| ÷ what was left, asked when half of the images were done; the median",
    )
    columns = ("200-image jobs", "count", "ms", "less the singles' service, ÷ alone", "ETA's error half-way")
    return Table("The jobs", columns, rows, notes)


def _p99(found: Sequence[Block]) -> float:
    return percentile([one.took_ms for each in found for one in each.singles], 0.99)


# -- systems ----------------------------------------------------------------------------------------------------------


@contextmanager
def _stage(clients: Sequence[str], workers: Workers) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="bench-fair-") as folder, stage(Path(folder), clients, workers) as up:
        yield up


def _on_stage(
    clients: Sequence[str],
    workers: Workers,
    play: Callable[[Stage], Coroutine[Any, Any, T]],
    picture: bytes,
) -> T:
    """Play on a system of its own."""
    with _stage(clients, workers) as up:
        asyncio.run(_warm(up, clients[0], picture))
        return asyncio.run(play(up))


async def _warm(up: Stage, client: str, picture: bytes) -> None:
    """Some batches, so that the system has measured what they cost."""
    async with up.caller(client) as caller:
        accepted = await caller.submit([picture] * JOB_IMAGES)
        await caller.until_final(accepted["id"])


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"
