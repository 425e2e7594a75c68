"""Part 5, GPU: the limit and the serving of parts 1 and 2 on a CUDA device, with larger networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.contenders import TENFOLD, serving
from benchmarks.figures import Spread, shown
from benchmarks.loop import plain_loop
from benchmarks.plan import Plan
from benchmarks.report import Figure, Section, Table
from benchmarks.sending import order_of, send

CONCURRENCIES = (10, 50, 200)
TARGET = 0.9


def run(plan: Plan) -> Section:
    """The plain GPU loop and Tenfold in turn, for the demo model and each weights file that is there."""
    section = Section("GPU", "The same model code in a plain loop on the CUDA device, beside Tenfold on it.")
    if not torch.cuda.is_available():
        section.skipped = "this machine has no CUDA device"
        return section
    rows = []
    for model in ("demo", *sized_models(plan.setup.logs)):
        plan.tell(f"GPU: {model}")
        setup = replace(plan.setup, device="cuda:0", threads=1, model=model)
        loops: list[float] = []
        served: dict[int, list[float]] = {concurrency: [] for concurrency in CONCURRENCIES}
        with plain_loop(setup) as loop, serving(TENFOLD, setup) as (_, target):
            for _ in range(plan.repeats):
                loops.append(loop.measure(10, plan.seconds)["images_per_s"])
                for concurrency, speeds in served.items():
                    log = send(order_of(setup, target, plan.seconds, concurrency=concurrency))
                    speeds.append(sum(sent.status == 200 for sent in log.singles) / log.wall_s)
        limit = Spread.of(loops)
        best = max((Spread.of(speeds) for speeds in served.values()), key=lambda spread: spread.median)
        ratio = best.median / limit.median
        name = Path(model).stem
        rows.append((name, str(limit), str(best), shown(ratio)))
        section.raw[name] = {"loop": loops, "served": served}
        section.figures.append(
            Figure(f"GPU, {name}: images/s ÷ the plain GPU loop's", f"≥ {TARGET}", shown(ratio), ratio >= TARGET)
        )
    section.tables.append(
        Table("Batches of ten on the GPU", ("model", "plain loop, images/s", "Tenfold, images/s", "ratio"), rows)
    )
    return section


def sized_models(folder: Path) -> list[str]:
    """Weights files of larger networks with random weights, written into ``folder``."""
    from benchmarks.sizes import write_random

    return [str(write_random(folder, name)) for name in ("s", "m", "l")]
