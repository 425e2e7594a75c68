"""LitServe as its documentation shows it: a LitAPI with a largest batch and a wait for it to fill."""

# Annotations are read when the server starts, so they are no strings here.
import sys
from typing import Any

import litserve as ls
from fastapi import Request

from benchmarks.engine import DEVICE, Engine


class Detect(ls.LitAPI):
    """Pictures as uploads, boxes as JSON."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (the framework's)
        """Loads the model in the worker's process."""
        self.engine = Engine()

    def decode_request(self, request: Request) -> bytes:
        """The upload's bytes."""
        # The framework hands the parsed form over in place of the request.
        image: bytes = request["image"].file.read()
        return image

    def predict(self, images: list[bytes]) -> list[Any]:
        """The batch."""
        return self.engine.detect(images)

    def encode_response(self, found: Any) -> dict[str, Any]:
        """One picture's answer."""
        return {"detections": found}


if __name__ == "__main__":
    server = ls.LitServer(
        Detect(max_batch_size=10, batch_timeout=0.01),
        accelerator="cpu" if DEVICE == "cpu" else "cuda",
        devices=1,
        workers_per_device=1,
        timeout=120,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
