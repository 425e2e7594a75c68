"""The network that a run begins with: one that knows shapes already, but for the classes, or a fresh one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.registry import ARCHITECTURE, DEMO_WEIGHTS, read_network
from models.train.own.options import RunOptions
from models.weights.container import read_metadata
from models.weights.errors import WeightsError
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo

NETWORKS = {
    "nano": YoloConfig(1),
    "small": YoloConfig(
        1,
        widths=(32, 48, 96, 192, 256),
        depths=(1, 2, 2, 1),
        neck=(96, 128, 192),
        head_box=48,
        head_class=96,
        bins=12,
    ),
}
"""What can be trained from scratch, but for the number of classes."""
FRESH = "none"


def starting_network(options: RunOptions, labels: Sequence[str]) -> tuple[Yolo, str]:
    """The network and a sentence about it. Raises WeightsError for a file that is no network of ours."""
    torch.manual_seed(options.seed)
    if options.weights == FRESH:
        return Yolo(replace(NETWORKS[options.network], classes=len(labels))), f"a fresh {options.network} network"
    path = DEMO_WEIGHTS if options.weights == "demo" else Path(options.weights)
    known = read_metadata(path)
    if known.architecture != ARCHITECTURE:
        raise WeightsError(f"{path}: training goes on from {ARCHITECTURE!r} weights, not from {known.architecture!r}")
    return fine_tuned(read_network(path), known.labels, labels), f"the weights of {options.weights}"


def fine_tuned(source: Yolo, known: Sequence[str], labels: Sequence[str]) -> Yolo:
    """A network for ``labels`` with all that ``source`` has learnt, its classes only where a name is the same."""
    network = Yolo(replace(source.config, classes=len(labels)))
    fresh, learnt = network.state_dict(), source.state_dict()
    same = [(place, list(known).index(label)) for place, label in enumerate(labels) if label in known]
    for name, tensor in learnt.items():
        fresh[name] = _merged(fresh[name], tensor, same) if _is_class_row(name) else tensor.clone()
    network.load_state_dict(fresh)
    return network


def _is_class_row(name: str) -> bool:
    """Whether the tensor has a row a class: those of the last convolutions of the class branches."""
    return name.startswith("head.classes.") and name.split(".")[3] == "2"


def _merged(fresh: Tensor, learnt: Tensor, same: Sequence[tuple[int, int]]) -> Tensor:
    merged = fresh.clone()
    for place, there in same:
        merged[place] = learnt[there]
    return merged
