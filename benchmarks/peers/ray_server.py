"""Ray Serve as its documentation shows it: a deployment that gathers its requests by ``serve.batch``.

The model runs in the replica's own loop: in a thread it is slower still.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.engine import DEVICE, Engine


@serve.deployment(
    num_replicas=1,
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1, "num_gpus": 0 if DEVICE == "cpu" else 1},
)
class Detect:
    """Pictures as raw bodies, boxes as JSON."""

    def __init__(self) -> None:
        self.engine = Engine()

    @serve.batch(max_batch_size=10, batch_wait_timeout_s=0.01)
    async def detect(self, images: list[bytes]) -> list[Any]:
        """The batch."""
        return self.engine.detect(images)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One picture."""
        return {"detections": await self.detect(await request.body())}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-ray-") as folder:
        ray.init(include_dashboard=False, object_store_memory=200 * 2**20, _temp_dir=folder, log_to_driver=True)
        serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
        serve.run(Detect.bind(), route_prefix="/")
        signal.sigwait([signal.SIGINT, signal.SIGTERM])
        serve.shutdown()
        ray.shutdown()
