"""The model as anybody would call it: decode, letterbox, forward, suppression, one after the other.

It is the limit that Tenfold is held against, and what every peer runs: the same code, weights and threads.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

PIXELS_MAX = 50_000_000
MODEL = os.environ.get("BENCH_MODEL", "demo")
THREADS = int(os.environ.get("BENCH_THREADS", "0"))
DEVICE = os.environ.get("BENCH_DEVICE", "cpu")


class Engine:
    """A loaded and warmed model. ``stage_ms`` sums where the time went."""

    def __init__(self, batch_size: int = 10) -> None:
        import torch

        from models.registry import load

        if THREADS:
            torch.set_num_threads(THREADS)
        self._detector = load(MODEL, DEVICE)
        self._size = self._detector.spec.sizes[0]
        self._labels = self._detector.spec.labels
        self._detector.warm(self._size, sorted({1, batch_size}))
        self.stage_ms: defaultdict[str, float] = defaultdict(float)

    def detect(self, encoded: Sequence[bytes]) -> list[list[dict[str, Any]]]:
        """The objects of each picture, as plain values."""
        from inference_worker.decoding import decode_image
        from models.detector import DetectOptions

        began = time.perf_counter()
        pixels = [decode_image(raw, PIXELS_MAX) for raw in encoded]
        decoded = time.perf_counter()
        prepared = [self._detector.prepare(image, self._size) for image in pixels]
        fitted = time.perf_counter()
        found = self._detector.detect(prepared, [DetectOptions()] * len(prepared))
        detected = time.perf_counter()
        self.stage_ms["decode"] += (decoded - began) * 1000
        self.stage_ms["letterbox"] += (fitted - decoded) * 1000
        self.stage_ms["forward and suppression"] += (detected - fitted) * 1000
        return [self._plain(one) for one in found]

    def _plain(self, found: Any) -> list[dict[str, Any]]:
        rows = zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True)
        return [
            {"box": box, "score": score, "class_id": class_id, "label": self._labels[class_id]}
            for box, score, class_id in rows
        ]
