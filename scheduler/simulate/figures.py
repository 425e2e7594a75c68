"""What a simulation shows: waits, shares, gaps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil

from scheduler.core import Core
from scheduler.simulate.bound import Gap, StarvationBound
from scheduler.simulate.engine import Engine
from scheduler.simulate.policies import POLICIES
from scheduler.simulate.workloads import Workload

HTTP_MS = 3.0
WINDOW_MS = 5_000.0


def percentile(values: list[float], part: float) -> float:
    """The least value that ``part`` of ``values`` do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else float("nan")


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 where all are equal, 1/n where one has all (Jain, Chiu and Hawe, 1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


@dataclass(slots=True)
class Run:
    """A workload that was played under a policy."""

    workload: Workload
    policy: str
    engine: Engine
    bound: StarvationBound | None
    waits_ms: dict[str, list[float]] = field(default_factory=dict)
    unfinished: dict[str, int] = field(default_factory=dict)

    @property
    def tightest(self) -> Gap | None:
        """The wait of an aged job that came nearest to its bound."""
        return self.bound.tightest if self.bound else None


def play(workload: Workload, policy: str, *, http_ms: float = HTTP_MS) -> Run:
    """Play ``workload`` under ``policy``; what the others do not have, preemption, they run without."""
    engine = Engine(POLICIES[policy]())
    core = engine.policy if isinstance(engine.policy, Core) else None
    fields = {name: getattr(workload.device, name) for name in workload.device.__slots__}
    device = type(workload.device)(**{**fields, "preemptive": core is not None})
    bound = StarvationBound(core, device, engine.latency_ms) if core else None
    if bound is not None:
        engine.watch = lambda event, decisions: bound(event, decisions, engine.clock.now_ms)
    for number, levels in enumerate(workload.levels):
        engine.add_worker(f"w{number}", device, levels=levels)
    engine.send(workload.arrivals)
    engine.clock.run(workload.until_ms)
    run = Run(workload, policy, engine, bound)
    _collect(run, http_ms)
    return run


def _collect(run: Run, http_ms: float) -> None:
    for job_id, arrival in run.engine.arrivals.items():
        job = run.engine.truth.jobs[job_id]
        if job.final:
            run.waits_ms.setdefault(arrival.kind, []).append(job.ended_ms - arrival.at_ms + http_ms)
        else:
            run.unfinished[arrival.kind] = run.unfinished.get(arrival.kind, 0) + 1


def service_by_client(run: Run, from_ms: float, until_ms: float) -> dict[str, float]:
    """Worker milliseconds that each client was given in a window; a micro-batch is shared by its images."""
    given: dict[str, float] = defaultdict(float)
    for piece in run.engine.history.pieces:
        overlap = min(piece.end_ms, until_ms) - max(piece.start_ms, from_ms)
        if overlap > 0.0:
            for job_id, _ in piece.items:
                given[run.engine.arrivals[job_id].client] += overlap / len(piece.items)
    return dict(given)


def backlogged(run: Run, from_ms: float, until_ms: float) -> set[str]:
    """Clients with work waiting all through a window: of a job that came before it an item began after it."""
    last_start: dict[str, float] = {}
    for piece in run.engine.history.pieces:
        for job_id, _ in piece.items:
            last_start[job_id] = max(last_start.get(job_id, 0.0), piece.start_ms)
    return {
        arrival.client
        for job_id, arrival in run.engine.arrivals.items()
        if arrival.at_ms <= from_ms
        and (last_start.get(job_id, 0.0) >= until_ms or not run.engine.truth.jobs[job_id].final)
    }


def fairness(run: Run, window_ms: float = WINDOW_MS) -> float | None:
    """The mean of Jain's index over windows in which at least two clients were backlogged throughout."""
    end_ms = max((piece.end_ms for piece in run.engine.history.pieces), default=0.0)
    indexes = []
    start_ms = 0.0
    while start_ms + window_ms <= end_ms:
        clients = backlogged(run, start_ms, start_ms + window_ms)
        if len(clients) >= 2:
            given = service_by_client(run, start_ms, start_ms + window_ms)
            indexes.append(jain([given.get(client, 0.0) for client in clients]))
        start_ms += window_ms
    return sum(indexes) / len(indexes) if indexes else None


def longest_gap_ms(run: Run) -> float:
    """The longest that any job went without a micro-batch while it had images left."""
    last = {job_id: arrival.at_ms for job_id, arrival in run.engine.arrivals.items()}
    worst = 0.0
    for piece in sorted(run.engine.history.pieces, key=lambda piece: piece.start_ms):
        for job_id in {job_id for job_id, _ in piece.items}:
            worst = max(worst, piece.start_ms - last[job_id])
            last[job_id] = piece.end_ms
    for job_id, since_ms in last.items():
        if not run.engine.truth.jobs[job_id].final:
            worst = max(worst, run.engine.clock.now_ms - since_ms)
    return worst


def throughput_per_s(run: Run) -> float:
    """Images a second while anything ran."""
    pieces = run.engine.history.pieces
    if not pieces:
        return 0.0
    return (
        1000.0
        * sum(len(piece.items) for piece in pieces)
        / (max(p.end_ms for p in pieces) - min(p.start_ms for p in pieces))
    )
