"""The files of a run's folder: what it is, how far it is, what it has learnt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from models.registry import ARCHITECTURE
from models.train import checkpoint
from models.train.own.curve import draw_curve
from models.train.own.progress import Epoch
from models.weights.container import WeightsMetadata, write_weights
from models.yolo.network import STRIDES, Yolo


class RunFiles:
    """``training.pt`` to go on from, ``best.safetensors`` to serve, ``log.jsonl``, ``curve.png``, ``figures.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "training.pt"
        self.best = folder / "best.safetensors"
        self.log = folder / "log.jsonl"
        self.curve = folder / "curve.png"
        self.figures = folder / "figures.json"

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """In one move."""
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(self.checkpoint, state)

    def save_best(self, network: Yolo, labels: Sequence[str], size: int, description: str) -> None:
        """Writes weights that the service serves at ``size``. Kernels in half precision, as the demo's are."""
        state = network.state_dict()
        halved = {name: value.to(torch.float16) if value.ndim > 1 else value for name, value in state.items()}
        config = network.config.to_json()
        metadata = WeightsMetadata(ARCHITECTURE, config, tuple(labels), (size,), max(STRIDES), description)
        beside = self.folder / "best.part"
        write_weights(beside, halved, metadata)
        beside.replace(self.best)

    def write_log(self, epochs: Sequence[Epoch]) -> None:
        """Writes it anew, so that what a killed run said beyond its checkpoint is not said twice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.write_text("".join(f"{json.dumps(epoch.row())}\n" for epoch in epochs), encoding="utf-8")

    def add_epoch(self, epochs: Sequence[Epoch]) -> None:
        """Adds the last epoch to the log and draws the curve of all."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{json.dumps(epochs[-1].row())}\n")
        draw_curve(epochs, self.curve)

    def write_figures(self, figures: dict[str, Any]) -> None:
        """The measure at the end."""
        self.figures.write_text(f"{json.dumps(figures, indent=2)}\n", encoding="utf-8")
