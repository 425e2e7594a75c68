"""Writes checkpoints as the families' own tools do: pickles of whole modules, of classes that are not installed."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from models.families import blocks, heads
from models.families.config import FamilyConfig, Row
from models.families.network import FamilyNetwork
from tests.unit.models.checkpoints.architectures import yaml

NAMES = {
    FamilyNetwork: ("ultralytics.nn.tasks", "DetectionModel"),
    blocks.Conv: ("ultralytics.nn.modules.conv", "Conv"),
    blocks.Depthwise: ("ultralytics.nn.modules.conv", "DWConv"),
    blocks.Concat: ("ultralytics.nn.modules.conv", "Concat"),
    blocks.Bottleneck: ("ultralytics.nn.modules.block", "Bottleneck"),
    blocks.C3: ("ultralytics.nn.modules.block", "C3"),
    blocks.C2f: ("ultralytics.nn.modules.block", "C2f"),
    blocks.C3k2: ("ultralytics.nn.modules.block", "C3k2"),
    blocks.Sppf: ("ultralytics.nn.modules.block", "SPPF"),
    blocks.Attention: ("ultralytics.nn.modules.block", "Attention"),
    blocks.AttentionBlock: ("ultralytics.nn.modules.block", "PSABlock"),
    blocks.C2psa: ("ultralytics.nn.modules.block", "C2PSA"),
    heads.Expectation: ("ultralytics.nn.modules.block", "DFL"),
    heads.DistanceHead: ("ultralytics.nn.modules.head", "Detect"),
    heads.AnchorHead: ("models.yolo", "Detect"),
}
LINEAR = ("attn.qkv", "attn.proj", "attn.pe", "ffn.1")
"""The convolutions that these families leave without activation."""


# Python's pickler in Python, which can be made to write the names of what is not installed.
_PythonPickler: Any = pickle._Pickler


class _Pickler(_PythonPickler):  # type: ignore[misc]
    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj in NAMES:
            module, name = NAMES[obj]
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def save(content: Any, path: Path) -> None:
    """As torch.save, with the classes of this package under the names of theirs."""
    torch.save(content, path, pickle_module=SimpleNamespace(Pickler=_Pickler, __name__="pickle"))


def config(family: str, size: str = "t", classes: int = 3, anchors: bool = False, fused: bool = False) -> FamilyConfig:
    """The config that such a checkpoint should be read as."""
    content = yaml(family, size, classes, anchors)
    rows = tuple(_row(row) for row in (*content["backbone"], *content["head"]))
    depth, width, most = content.get("scales", {}).get(size, (0, 0, 8192))
    bare = FamilyConfig(
        family=family if family != "yolov5" or anchors else "yolov5u",
        size="" if anchors and size == "t" else size,
        rows=rows,
        classes=classes,
        depth=content.get("depth_multiple", depth),
        width=content.get("width_multiple", width),
        channels_max=most,
        anchors=tuple(map(tuple, content.get("anchors", []))),
        depthwise=family == "yolo11",
        fused=fused,
    )
    with torch.device("meta"):
        named = [name for name, module in FamilyNetwork(bare).named_modules() if isinstance(module, blocks.Conv)]
    linear = tuple(name for name in named if name.endswith(LINEAR))
    return FamilyConfig(**{**vars(bare), "linear": linear})


def network(of: FamilyConfig) -> FamilyNetwork:
    """A network of that config whose every number is drawn, so that each of them matters."""
    torch.manual_seed(11)
    made = FamilyNetwork(of).eval().requires_grad_(False)
    for name, tensor in made.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("dfl.conv.weight"):
            tensor.copy_(torch.arange(tensor.numel()).view_as(tensor))
        elif name.endswith("anchors"):
            tensor.copy_(torch.rand_like(tensor) * 8 + 1)
        elif tensor.is_floating_point() and tensor.ndim == 1:
            tensor.uniform_(0.1, 1.0)
    return made


def checkpoint(made: FamilyNetwork, family: str, size: str = "t", anchors: bool = False) -> dict[str, Any]:
    """The content of a checkpoint file of that network, in half precision as they are saved."""
    made.yaml = yaml(family, size, made.config.classes, anchors)  # type: ignore[assignment]
    made.names = {index: f"thing {index}" for index in range(made.config.classes)}  # type: ignore[assignment]
    made.stride = torch.tensor([8.0, 16.0, 32.0])  # type: ignore[assignment]
    head: Any = made.model[-1]
    head.nc = made.config.classes
    if not anchors:
        head.reg_max = 16
    # What only ours have.
    for name in ("config", "inputs", "_kept"):
        delattr(made, name)
    return {"epoch": -1, "model": made.half(), "ema": None, "train_args": {"imgsz": 96}, "date": "2026-11-23"}


def write(path: Path, family: str, anchors: bool = False, fused: bool = False) -> FamilyNetwork:
    """A whole checkpoint file of a tiny network of that family; gives the network, in single precision."""
    of = config(family, anchors=anchors, fused=fused)
    made = network(of)
    state = {name: tensor.half().float() for name, tensor in made.state_dict().items() if tensor.is_floating_point()}
    save(checkpoint(made, family, anchors=anchors), path)
    again = FamilyNetwork(of).eval().requires_grad_(False)
    again.load_state_dict({**again.state_dict(), **state})
    return again


def _row(row: list[Any]) -> Row:
    inputs, repeats, block, arguments = row
    words = {"None": None}
    plain = tuple(words.get(value, value) if isinstance(value, str) else value for value in arguments)
    return Row(tuple(inputs) if isinstance(inputs, list) else (inputs,), repeats, block, plain)
