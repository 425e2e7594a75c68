"""A network so small that its weights are written and loaded in no time."""

from __future__ import annotations

from pathlib import Path

import torch

from models.registry import ARCHITECTURE
from models.weights.container import WeightsMetadata, write_weights
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo

TINY = YoloConfig(2, widths=(8, 8, 8, 8, 8), depths=(1, 1, 1, 1), neck=(8, 8, 8), head_box=8, head_class=8, bins=4)
METADATA = WeightsMetadata(ARCHITECTURE, TINY.to_json(), ("cat", "dog"), (64, 96), 32, "two animals")


def tiny(seed: int) -> Yolo:
    """The network with random weights."""
    torch.manual_seed(seed)
    return Yolo(TINY)


def write_tiny(path: Path, seed: int, metadata: WeightsMetadata = METADATA) -> Path:
    """A weights file; each seed is a version of its own. It comes by a rename, whole or not at all."""
    partial = path.with_suffix(".partial")
    write_weights(partial, tiny(seed).state_dict(), metadata)
    return partial.replace(path)
