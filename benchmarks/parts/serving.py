"""Part 2, serving: one-image requests through HTTP at several concurrencies, everybody in turn."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import msgspec

from benchmarks.contenders import TENFOLD, Contender, NotReady, serving
from benchmarks.figures import Spread, percentile, shown
from benchmarks.load import Log, Target
from benchmarks.loop import Loop, plain_loop
from benchmarks.parts.limit import best, variants
from benchmarks.plan import Plan
from benchmarks.processes import Tree
from benchmarks.report import Figure, Section, Table
from benchmarks.sending import order_of, send

CONCURRENCIES = (1, 10, 50)
COLUMNS = ("p50_ms", "p95_ms", "p99_ms", "cpu_ms", "client_cpu_ms", "memory_mib")


@dataclass(frozen=True)
class Measured:
    """One contender at one concurrency. Times are ms; ``cpu_ms`` an image, of the server and of the generator."""

    images_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    client_cpu_ms: float
    memory_mib: float
    failed: int
    batch_fill: float = 0.0


def run(plan: Plan) -> Section:
    """Rounds: every contender is started, measured at each concurrency, stopped; the plain loop between them."""
    section = Section(
        "Serving",
        "One-image JPEG requests over kept-alive connections, a closed loop of each concurrency. Each server has one "
        "model process, batches of at most ten and the plain loop's model code.",
    )
    found: defaultdict[tuple[str, int], list[Measured]] = defaultdict(list)
    with ExitStack() as stack:
        loops = [
            stack.enter_context(plain_loop(plan.setup, env, name)) for name, env in variants(plan.machine.cores).items()
        ]
        for number in range(plan.repeats):
            for contender in plan.contenders:
                plan.tell(f"serving, round {number + 1} of {plan.repeats}: {contender.name}")
                _measure_loops(loops, plan.seconds)
                _measure(plan, contender, found, section)
        _measure_loops(loops, plan.seconds)
    _tabulate(plan, section, found, loops)
    return section


def _measure_loops(loops: list[Loop], seconds: float) -> None:
    for loop in loops:
        for batch in (1, 10):
            loop.measure(batch, seconds / 2)


def _measure(plan: Plan, contender: Contender, found: dict[tuple[str, int], list[Measured]], section: Section) -> None:
    try:
        with serving(contender, plan.setup) as (tree, target):
            send(order_of(plan.setup, target, 1.0, concurrency=10))
            for concurrency in CONCURRENCIES:
                found[contender.name, concurrency].append(_at(plan, tree, target, concurrency))
    except NotReady as error:
        section.raw[f"{contender.name} did not start"] = str(error)
        plan.tell(f"{contender.name} is left out: {str(error)[:300]}")


def _at(plan: Plan, tree: Tree, target: Target, concurrency: int) -> Measured:
    cpu_s = tree.cpu_s()
    log = send(order_of(plan.setup, target, plan.seconds, concurrency=concurrency, bodies=True))
    cpu_s = tree.cpu_s() - cpu_s
    good = [sent for sent in log.singles if sent.status == 200]
    took_ms = [(sent.end_s - sent.at_s) * 1000 for sent in good] or [float("nan")]
    return Measured(
        images_per_s=len(good) / log.wall_s,
        p50_ms=percentile(took_ms, 0.5),
        p95_ms=percentile(took_ms, 0.95),
        p99_ms=percentile(took_ms, 0.99),
        cpu_ms=cpu_s * 1000 / max(1, len(good)),
        client_cpu_ms=log.cpu_s * 1000 / max(1, len(good)),
        memory_mib=tree.memory_mib(),
        failed=len(log.singles) - len(good),
        batch_fill=batch_fill(log) if target.jobs else 0.0,
    )


def batch_fill(log: Log, batch_size: int = 10) -> float:
    """Images a batch ÷ ``batch_size``, as Tenfold's answers tell it; the first and the last batches count too."""
    sizes: dict[str, int] = {}
    for sent in log.singles:
        answer: dict[str, Any] = msgspec.json.decode(sent.body) if sent.status == 200 else {"results": []}
        for result in answer["results"]:
            sizes[result["batch"]["id"]] = result["batch"]["size"]
    return sum(sizes.values()) / (batch_size * len(sizes)) if sizes else 0.0


def _tabulate(plan: Plan, section: Section, found: dict[tuple[str, int], list[Measured]], loops: list[Loop]) -> None:
    limit, single = best(loops, 10), best(loops, 1)
    limit = max(limit, single)
    rows = []
    for (name, concurrency), measured in sorted(found.items(), key=lambda entry: entry[0][1]):
        speed = Spread.of([m.images_per_s for m in measured])
        middle = {key: median(asdict(m)[key] for m in measured) for key in asdict(measured[0])}
        rows.append(
            (
                name,
                str(concurrency),
                str(speed),
                shown(speed.median / limit),
                *(
                    shown(middle[key])
                    for key in ("p50_ms", "p95_ms", "p99_ms", "cpu_ms", "client_cpu_ms", "memory_mib")
                ),
                str(sum(m.failed for m in measured)),
            )
        )
        section.raw[f"{name}, {concurrency}"] = [asdict(m) for m in measured]
    section.raw["plain loop, images/s by batch"] = {loop.name: loop.seen for loop in loops}
    section.raw["plain loop, CPU ms an image by batch"] = {loop.name: loop.cpu_ms for loop in loops}
    columns = (
        *("server", "concurrency", "images/s", "÷ plain loop", "p50 ms", "p95", "p99"),
        *("CPU ms an image", "generator's", "memory MiB", "failed"),
    )
    least_cpu_ms = min(median(loop.cpu_ms[batch]) for loop in loops for batch in loop.cpu_ms)
    versions = ", ".join(f"{contender.name} {contender.version()}" for contender in plan.contenders)
    notes = (
        f"plain loop in the same rounds, at its fastest: {shown(limit)} images/s in batches, {shown(single)} singly",
        f"the plain loop's processor time, at its least: {shown(least_cpu_ms)} ms an image",
        f"versions: {versions}",
        f"the generator shares the {plan.machine.cores} cores with the server; memory counts shared pages once",
    )
    section.tables.append(Table("Closed loop, single images", columns, rows, notes))
    _compare(section, found, limit, single)


def _compare(section: Section, found: dict[tuple[str, int], list[Measured]], limit: float, single: float) -> None:
    speeds = {key: median(m.images_per_s for m in measured) for key, measured in found.items()}
    saturated = {name: speed for (name, concurrency), speed in speeds.items() if concurrency == max(CONCURRENCIES)}
    if TENFOLD.name not in saturated:
        return
    ours = saturated[TENFOLD.name]
    section.bars["images a second, 50 at a time"] = {**saturated, "plain loop": limit}
    section.bars["p50 ms, one at a time"] = {
        name: median(m.p50_ms for m in measured) for (name, concurrency), measured in found.items() if concurrency == 1
    }
    ratio = ours / limit
    section.figures.append(
        Figure("images/s at saturation through HTTP ÷ the plain loop's", "≥ 0.90", shown(ratio), ratio >= 0.9)
    )
    peers = {name: speed for name, speed in saturated.items() if name != TENFOLD.name}
    if peers:
        rival = max(peers, key=lambda name: peers[name])
        lead = ours / peers[rival]
        section.figures.append(Figure("the same ÷ the best peer's", "> 1.0", f"{shown(lead)} ({rival})", lead > 1.0))
    idle = median(m.p50_ms for m in found[TENFOLD.name, 1]) / (1000 / single)
    section.figures.append(
        Figure("idle single-image p50 ÷ in-process time of one image", "≤ 1.25", shown(idle), idle <= 1.25)
    )
    fill = median(m.batch_fill for m in found[TENFOLD.name, max(CONCURRENCIES)])
    section.figures.append(
        Figure("batch fill with a backlog of at least 2 × batch × workers", "≥ 0.95", shown(fill), fill >= 0.95)
    )
