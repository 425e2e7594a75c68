"""Mosec as its documentation shows it: a worker with a largest batch and a wait for it to fill; raw bodies."""

from __future__ import annotations

from typing import Any

from mosec import Server, Worker

from benchmarks.engine import Engine


class Detect(Worker):
    """Pictures as raw bodies, boxes as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine()

    def deserialize(self, data: bytes) -> bytes:
        """The body as it came."""
        return data

    def forward(self, data: list[bytes]) -> list[Any]:
        """The batch."""
        return [{"detections": found} for found in self.engine.detect(data)]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Detect, num=1, max_batch_size=10, max_wait_time=10, timeout=120)
    server.run()
