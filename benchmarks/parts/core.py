"""The scheduler's core alone: items a second on one core, and what an item costs with many queued."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.figures import shown
from benchmarks.peers.environments import ROOT
from benchmarks.plan import Plan
from benchmarks.report import Figure, Section, Table

SPEED, RATIO = "items_per_s_100_image_jobs", "cost_ratio_1e6_to_1e3_queued"
WAIT_S = 900


def run(plan: Plan) -> Section:
    """``benchmarks/core.py`` in a process of its own. Raises RuntimeError where it fails."""
    plan.tell("the scheduler's core")
    command = [sys.executable, str(ROOT / "benchmarks" / "core.py"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr[-1000:])
    found: dict[str, float] = json.loads(done.stdout)
    section = Section("Scheduler core", "Events in, decisions out: no Redis, no clock. Processor time of one core.")
    names = [name for name in found if name != "missed"]
    rows = [(name.replace("_", " "), shown(found[name])) for name in names]
    section.tables.append(Table("The core alone", ("figure", "value"), rows))
    section.raw.update(found)
    section.figures += [
        Figure(
            "scheduler core: items a second on one core, 100-image jobs",
            "≥ 200 000",
            shown(found[SPEED]),
            found[SPEED] >= 200_000,
        ),
        Figure("cost an item at 10⁶ queued ÷ at 10³", "≤ 1.3", shown(found[RATIO]), found[RATIO] <= 1.3),
    ]
    return section
