"""Part 1, the limit: the same model in a plain loop, and where its time goes."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks.figures import Spread, shown
from benchmarks.loop import Loop, plain_loop
from benchmarks.plan import Plan
from benchmarks.report import Section, Table

BATCHES = (1, 10)


KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""What ``inference_worker.memory`` tells glibc, as its environment; the loop may have it too."""


def variants(cores: int) -> dict[str, dict[str, str]]:
    """Settings under which the loop might be fastest: torch's threads, whether waiting threads spin, and whether freed
    memory is kept.
    """
    threads = sorted({1, cores})
    waits = {"sleeping": "PASSIVE", "spinning": "ACTIVE"}
    found = {
        f"{count} threads, {how}": {"BENCH_THREADS": str(count), "OMP_WAIT_POLICY": policy}
        for count in threads
        for how, policy in waits.items()
        if count > 1 or how == "sleeping"
    }
    sleeping = f"{cores} threads, sleeping"
    return found | {f"{sleeping}, keeping memory": found[sleeping] | KEEPING}


def run(plan: Plan) -> Section:
    """Each variant and batch size in turn, again and again."""
    section = Section("Limit", "The same model code in a plain Python loop: decode, letterbox, forward, suppression.")
    with ExitStack() as stack:
        loops = [
            stack.enter_context(plain_loop(plan.setup, env, name)) for name, env in variants(plan.machine.cores).items()
        ]
        found: dict[tuple[str, int], list[dict[str, Any]]] = {
            (loop.name, batch): [] for loop in loops for batch in BATCHES
        }
        for _ in range(plan.repeats):
            for loop in loops:
                for batch in BATCHES:
                    found[loop.name, batch].append(loop.measure(batch, plan.seconds))
    rows = []
    for (name, batch), measured in found.items():
        stages = [
            shown(median(m["stage_ms_per_image"][stage] for m in measured))
            for stage in ("decode", "letterbox", "forward and suppression")
        ]
        speed = Spread.of([m["images_per_s"] for m in measured])
        took = median(median(m["batch_ms"]) for m in measured)
        cpu = median(m["cpu_ms_per_image"] for m in measured)
        rows.append((name, str(batch), str(speed), shown(took), *stages, shown(cpu)))
        section.raw[f"{name}, batch {batch}"] = measured
    columns = ("threads", "batch", "images/s", "ms a batch", "decode", "letterbox", "forward, NMS", "CPU ms")
    notes = ("decode, letterbox, forward and CPU are ms an image",)
    section.tables.append(Table("Plain loop", columns, rows, notes))
    return section


def best(loops: list[Loop], batch: int) -> float:
    """Images a second of the fastest loop at ``batch``, by its median."""
    return max(median(loop.seen[batch]) for loop in loops)
