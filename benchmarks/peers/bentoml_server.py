"""BentoML as its documentation shows it: a service with a batchable endpoint, whose dispatcher adapts its wait.

``max_latency_ms`` is far above its default, since it answers 503 to whatever it expects to take longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from benchmarks.engine import Engine


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 1000})
class Detect:
    """Pictures as uploads, boxes as JSON."""

    def __init__(self) -> None:
        self.engine = Engine()

    @bentoml.api(batchable=True, max_batch_size=10, max_latency_ms=60_000)
    def detect(self, images: list[Path]) -> list[Any]:
        """The batch."""
        return self.engine.detect([image.read_bytes() for image in images])
