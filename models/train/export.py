"""``python -m models.train.export --folder FOLDER --out FILE``: the averaged weights of a training as a weights file.

Kernels are written in half precision: half the size, and no difference in what is found. The statistics of the batch
norms stay as they are, since a small variance has few bits left in half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from models.registry import ARCHITECTURE, DEMO_WEIGHTS
from models.train import checkpoint
from models.train.shapes import LABELS
from models.weights.container import WeightsMetadata, write_weights
from models.weights.state import load_strictly
from models.yolo.config import YoloConfig
from models.yolo.network import STRIDES, Yolo

SIZES = (320, 256, 416, 640)
DESCRIPTION = "Tenfold's demo model: ten drawn shapes, trained on synthetic scenes only"


def export(training: Path, out: Path) -> None:
    """From ``training.pt`` to a safetensors file. Raises WeightsError where they do not fit."""
    state = checkpoint.load(training)["average"]
    config = YoloConfig(len(LABELS))
    load_strictly(Yolo(config), state, str(training))
    halved = {name: value.to(torch.float16) if value.ndim > 1 else value for name, value in state.items()}
    metadata = WeightsMetadata(ARCHITECTURE, config.to_json(), LABELS, SIZES, max(STRIDES), DESCRIPTION)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_weights(out, halved, metadata)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train.export", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("training"), help="the training's folder")
    parser.add_argument("--out", type=Path, default=DEMO_WEIGHTS)
    arguments = parser.parse_args()
    export(arguments.folder / "training.pt", arguments.out)


if __name__ == "__main__":
    main()
