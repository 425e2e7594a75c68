"""Orders to the load generator's process."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from benchmarks.contenders import Setup
from benchmarks.load import Log, Order, Target
from benchmarks.peers.environments import ROOT

SLACK_S = 180.0


def order_of(setup: Setup, target: Target, seconds: float, **fields: object) -> Order:
    """An order to ``target`` with the run's pictures."""
    return msgspec.convert(
        {
            "target": msgspec.to_builtins(target),
            "folder": str(setup.folder),
            "pictures": setup.pictures,
            "seconds": seconds,
            **fields,
        },
        Order,
    )


def send(order: Order) -> Log:
    """Carry ``order`` out in a process of its own. Raises RuntimeError where that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=msgspec.json.encode(order),
        capture_output=True,
        cwd=ROOT,
        timeout=order.lead_s + order.seconds + SLACK_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Log)
