"""``python -m benchmarks.plain``: the plain loop, in a process of its own so that its environment is its own.

It reads a line ``batch seconds`` from its input for each measurement and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import psutil

from benchmarks.engine import Engine
from benchmarks.pictures import pictures


def measure(engine: Engine, images: list[bytes], batch: int, seconds: float) -> dict[str, object]:
    """Batches of ``batch`` for ``seconds``, and what they cost."""
    engine.stage_ms.clear()
    supply = cycle(images)
    took_ms: list[float] = []
    cpu = psutil.Process().cpu_times()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        chosen = list(islice(supply, batch))
        start = time.perf_counter()
        engine.detect(chosen)
        took_ms.append((time.perf_counter() - start) * 1000)
    wall_s = time.perf_counter() - began
    spent = psutil.Process().cpu_times()
    count = batch * len(took_ms)
    return {
        "images_per_s": count / wall_s,
        "batch_ms": took_ms,
        "cpu_ms_per_image": (spent.user + spent.system - cpu.user - cpu.system) * 1000 / count,
        "stage_ms_per_image": {name: ms / count for name, ms in engine.stage_ms.items()},
    }


def main() -> None:
    """Load, say that it is ready, then answer line by line until the input ends."""
    images = pictures(Path(sys.argv[1]), int(sys.argv[2]))
    engine = Engine()
    print("ready", flush=True)
    for line in sys.stdin:
        batch, seconds = line.split()
        print(json.dumps(measure(engine, images, int(batch), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
