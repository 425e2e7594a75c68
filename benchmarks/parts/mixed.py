"""Part 3, mixed load: 200-image jobs beside single photos that arrive at random.

Three phases a server: the singles alone; the very same arrivals with one 200-image job after another, begun 10 s
later; such jobs alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import msgspec

from benchmarks.contenders import TENFOLD, NotReady, serving
from benchmarks.figures import percentile, shown
from benchmarks.load import Bulk, Log, Sent, Target
from benchmarks.plan import Plan
from benchmarks.report import Figure, Section, Table
from benchmarks.sending import order_of, send

BULK = 200
SINGLES_PER_S = 10.0
LEAD_S = 10.0
QUICK_LEAD_S = 3.0


@dataclass(frozen=True)
class Mixed:
    """One server: singles' ms without and with bulks, a bulk's seconds alone and beside them, the worst wait."""

    calm_p50_ms: float
    calm_p99_ms: float
    mixed_p50_ms: float
    mixed_p99_ms: float
    worst_ms: float
    bulk_alone_s: float
    bulk_beside_s: float
    bulk_less_singles_s: float
    bulks: int
    singles: int
    failed: int

    @property
    def slowdown(self) -> float:
        """The singles' 99th percentile with bulks ÷ without."""
        return self.mixed_p99_ms / self.calm_p99_ms

    @property
    def stretch(self) -> float:
        """A bulk's time beside the singles, less what serving them took, ÷ its time alone."""
        return self.bulk_less_singles_s / self.bulk_alone_s


def run(plan: Plan) -> Section:
    """Rounds over all contenders."""
    section = Section(
        "Mixed load",
        f"Singles arrive at random, {SINGLES_PER_S:g} a second, while {BULK}-image jobs run one after another. Tenfold "
        f"gets a job as a job, of another client; the others take one image a request, so they get {BULK} requests at "
        "once. The singles' arrivals are the same with and without.",
    )
    found: defaultdict[str, list[Mixed]] = defaultdict(list)
    for number in range(max(1, plan.repeats - 1)):
        for contender in plan.contenders:
            plan.tell(f"mixed, round {number + 1}: {contender.name}")
            try:
                with serving(contender, plan.setup) as (_, target):
                    found[contender.name].append(_measure(plan, target, seed=number + 1))
            except NotReady as error:
                plan.tell(f"{contender.name} is left out: {str(error)[:300]}")
    _tabulate(section, found)
    return section


def _measure(plan: Plan, target: Target, seed: int) -> Mixed:
    lead_s = QUICK_LEAD_S if plan.quick else LEAD_S
    window_s = plan.seconds * (2 if plan.quick else 5)
    send(order_of(plan.setup, target, 1.0, concurrency=10))
    singles = {"rate": SINGLES_PER_S, "seed": seed, "lead_s": lead_s, "bodies": bool(target.jobs)}
    alone = send(order_of(plan.setup, target, window_s / 2, bulk=BULK))
    calm = send(order_of(plan.setup, target, window_s, **singles))
    mixed = send(order_of(plan.setup, target, window_s, bulk=BULK, **singles))
    return _judged(alone, calm, mixed, lead_s)


def _judged(alone: Log, calm: Log, mixed: Log, lead_s: float) -> Mixed:
    calm_ms, mixed_ms = (_latencies(log.singles, lead_s) for log in (calm, mixed))
    less_s = [_less_singles_s(bulk, mixed.singles) for bulk in mixed.bulks]
    failed = sum(sent.status != 200 for log in (calm, mixed) for sent in log.singles)
    return Mixed(
        calm_p50_ms=percentile(calm_ms, 0.5),
        calm_p99_ms=percentile(calm_ms, 0.99),
        mixed_p50_ms=percentile(mixed_ms, 0.5),
        mixed_p99_ms=percentile(mixed_ms, 0.99),
        worst_ms=max(mixed_ms),
        bulk_alone_s=median(bulk.end_s - bulk.at_s for bulk in alone.bulks),
        bulk_beside_s=median(bulk.end_s - bulk.at_s for bulk in mixed.bulks),
        bulk_less_singles_s=median(less_s),
        bulks=len(mixed.bulks),
        singles=len(mixed_ms),
        failed=failed + sum(bulk.failed for log in (alone, mixed) for bulk in log.bulks),
    )


def _latencies(singles: list[Sent], lead_s: float) -> list[float]:
    return [(sent.end_s - sent.at_s) * 1000 for sent in singles if sent.at_s >= lead_s]


def _less_singles_s(bulk: Bulk, singles: list[Sent]) -> float:
    """A bulk's time less the computing that went to singles meanwhile, as their answers tell it."""
    return bulk.end_s - bulk.at_s - sum(_service_s(s.body) for s in singles if bulk.at_s <= s.end_s <= bulk.end_s)


def _service_s(body: str) -> float:
    if not body:
        return 0.0
    answer: dict[str, Any] = msgspec.json.decode(body)
    shares = (r["timing"]["inference_ms"] / r["batch"]["size"] for r in answer.get("results", ()) if r["timing"])
    return float(sum(shares)) / 1000


def _tabulate(section: Section, found: dict[str, list[Mixed]]) -> None:
    rows = []
    for name, measured in found.items():
        middle = {key: median(asdict(m)[key] for m in measured) for key in asdict(measured[0])}
        rows.append(
            (
                name,
                *(shown(middle[f"{phase}_{share}_ms"]) for phase in ("calm", "mixed") for share in ("p50", "p99")),
                shown(median(m.slowdown for m in measured)),
                shown(middle["worst_ms"]),
                *(shown(middle[key]) for key in ("bulk_alone_s", "bulk_beside_s")),
                f"{sum(m.singles for m in measured)}, {sum(m.bulks for m in measured)}",
                str(sum(m.failed for m in measured)),
            )
        )
        section.raw[name] = [{**asdict(m), "slowdown": m.slowdown, "stretch": m.stretch} for m in measured]
    columns = (
        *("server", "singles alone: p50 ms", "p99", "beside bulks: p50", "p99", "p99 ÷ p99", "worst ms"),
        *("bulk alone s", "beside singles", "singles, bulks", "failed"),
    )
    section.tables.append(Table(f"{BULK}-image jobs beside singles", columns, rows))
    section.bars["singles' p99 ms beside bulks"] = {
        name: median(m.mixed_p99_ms for m in measured) for name, measured in found.items()
    }
    _figures(section, found.get(TENFOLD.name, []))


def _figures(section: Section, ours: list[Mixed]) -> None:
    if not ours:
        return
    slowdown, stretch = median(m.slowdown for m in ours), median(m.stretch for m in ours)
    section.figures += [
        Figure(
            "single-image p99 while 200-image jobs run ÷ its p99 without them", "≤ 2", shown(slowdown), slowdown <= 2
        ),
        Figure(
            "that job's time, less the singles' service, ÷ its time alone", "≤ 1.15", shown(stretch), stretch <= 1.15
        ),
    ]
