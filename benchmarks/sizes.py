"""Larger networks of the demo's kind, with random weights: speed does not depend on what they have learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from models.registry import ARCHITECTURE
from models.weights.container import WeightsMetadata, write_weights
from models.yolo.config import YoloConfig
from models.yolo.network import STRIDES, Yolo

LABELS = tuple(f"class-{number}" for number in range(80))
SIZES = (640,)
SEED = 7
# Widths and depths of the widespread family's members of these names.
_BASE = YoloConfig(len(LABELS), (32, 64, 128, 256, 512), (1, 2, 2, 1), (128, 256, 512), 64, 128, 16)
CONFIGS = {
    "s": _BASE,
    "m": replace(_BASE, widths=(48, 96, 192, 384, 576), depths=(2, 4, 4, 2), neck=(192, 384, 576), head_class=192),
    "l": replace(_BASE, widths=(64, 128, 256, 512, 512), depths=(3, 6, 6, 3), neck=(256, 512, 512), head_class=256),
}


def write_random(folder: Path, name: str) -> Path:
    """The weights file of size ``name`` in ``folder``."""
    torch.manual_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"yolo-{name}.safetensors"
    config = CONFIGS[name]
    metadata = WeightsMetadata(
        ARCHITECTURE, config.to_json(), LABELS, SIZES, max(STRIDES), f"random weights, size {name}"
    )
    write_weights(path, Yolo(config).state_dict(), metadata)
    return path
