"""The figures of a workload under each policy, for people and for programs."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from scheduler.simulate.figures import Run, fairness, longest_gap_ms, percentile, throughput_per_s

PERCENTILES = (0.5, 0.95, 0.99)


def figures(run: Run) -> dict[str, Any]:
    """All figures of a run; times are milliseconds."""
    tightest = run.tightest
    return {
        "policy": run.policy,
        "waits_ms": {
            kind: {f"p{round(part * 100)}": round(percentile(waits, part), 1) for part in PERCENTILES}
            | {"jobs": len(waits), "unfinished": run.unfinished.get(kind, 0)}
            for kind, waits in sorted(run.waits_ms.items())
        },
        "unfinished": run.unfinished,
        "jain": None if (index := fairness(run)) is None else round(index, 3),
        "longest_gap_ms": round(longest_gap_ms(run), 1),
        "starved": None
        if tightest is None
        else {"job": tightest.job_id, "gap_ms": round(tightest.gap_ms, 1), "bound_ms": round(tightest.bound_ms, 1)},
        "images_per_s": round(throughput_per_s(run), 1),
    }


def table(runs: list[Run]) -> Table:
    """The figures of ``runs`` side by side."""
    kinds = sorted({arrival.kind for arrival in runs[0].workload.arrivals})
    out = Table(title=f"{runs[0].workload.name}: {runs[0].workload.about}", title_justify="left")
    out.add_column("policy")
    for kind in kinds:
        out.add_column(f"{kind}: p50 / p95 / p99", justify="right")
    for name in ("Jain's index", "longest gap", "nearest to its bound", "images/s"):
        out.add_column(name, justify="right")
    for run in runs:
        out.add_row(run.policy, *(_waits(run, kind) for kind in kinds), *_rest(run))
    return out


def _waits(run: Run, kind: str) -> str:
    waits, left = run.waits_ms.get(kind, []), run.unfinished.get(kind, 0)
    text = " / ".join(_time(percentile(waits, part)) for part in PERCENTILES) if waits else "none ended"
    return f"{text} ({left} left)" if left else text


def _rest(run: Run) -> list[str]:
    index, tightest = fairness(run), run.tightest
    return [
        "–" if index is None else f"{index:.2f}",
        _time(longest_gap_ms(run)),
        "–" if tightest is None else f"{_time(tightest.gap_ms)} of {_time(tightest.bound_ms)}",
        f"{throughput_per_s(run):.1f}",
    ]


def _time(value_ms: float) -> str:
    return f"{value_ms:.0f} ms" if value_ms < 1000.0 else f"{value_ms / 1000.0:.1f} s"
