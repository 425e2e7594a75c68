"""The plain loop's process, held open so that its measurements can alternate with a server's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders import Setup
from benchmarks.processes import clean_environment


@dataclass(frozen=True)
class Loop:
    """A running plain loop; it computes only while ``measure`` waits for it."""

    process: subprocess.Popen[str]
    name: str = ""
    seen: dict[int, list[float]] = field(default_factory=dict)
    cpu_ms: dict[int, list[float]] = field(default_factory=dict)

    def measure(self, batch: int, seconds: float) -> dict[str, Any]:
        """See :func:`benchmarks.plain.measure`. Raises RuntimeError where the process died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{batch} {seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the plain loop died")
        found: dict[str, Any] = json.loads(line)
        self.seen.setdefault(batch, []).append(found["images_per_s"])
        self.cpu_ms.setdefault(batch, []).append(found["cpu_ms_per_image"])
        return found


@contextmanager
def plain_loop(setup: Setup, env: Mapping[str, str] | None = None, name: str = "") -> Iterator[Loop]:
    """A warmed loop in the environment that the servers have, changed by ``env``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.plain", str(setup.folder), str(setup.pictures)],
        env={**clean_environment(), **setup.environment(), **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the plain loop did not start")
        yield Loop(process, name)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.kill()
        process.wait()
