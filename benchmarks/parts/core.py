"""The scheduler's core alone: items a second on one core, and what an item costs with many queued."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.peers.environments import ROOT
from benchmarks.plan import Plan
from benchmarks.report import Section


def run(plan: Plan) -> Section:
    """``python -m benchmarks.core`` in a process of its own; its own tables stand in the report as they are."""
    section = Section("Scheduler core", "Events in, decisions out; no Redis, no clock.")
    if not (ROOT / "benchmarks" / "core.py").exists():
        section.skipped = "benchmarks/core.py is not there"
        return section
    plan.tell("the scheduler's core")
    command = [sys.executable, "-m", "benchmarks.core"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    section.about += f"\n\n```\n{done.stdout.strip() or done.stderr[-2000:]}\n```"
    section.raw["output"] = done.stdout
    return section
