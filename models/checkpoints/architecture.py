"""From the architecture that a checkpoint carries (its yaml, and what its modules say of themselves) to a config."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor

from models.checkpoints.modules import child, walk
from models.checkpoints.records import Instance
from models.families.config import CHANNELS_MAX, FamilyConfig, Row
from models.weights.errors import WeightsError

WORDS = {"None": None, "True": True, "False": False}
SIZES = {(0.33, 0.25): "n", (0.33, 0.5): "s", (0.67, 0.75): "m", (1.0, 1.0): "l", (1.33, 1.25): "x", (1.0, 1.25): "x"}
"""Sizes by depth and width, for checkpoints that do not name theirs."""


def config_of(network: Instance, names: Collection[str], anchors: Tensor | None) -> FamilyConfig:
    """The architecture of a network whose state has those names.

    ``anchors`` are its head's, (levels, n, 2) in strides, where it has any.

    Raises ValueError for what these families do not have.
    """
    yaml = network.state.get("yaml")
    if not isinstance(yaml, dict):
        raise WeightsError("it does not carry its architecture")
    if _channels_in(yaml) != 3:
        raise WeightsError(f"it takes pictures of {_channels_in(yaml)!r} channels; 3 can be served")
    rows = tuple(_row(row) for part in ("backbone", "head") for row in _rows_of(yaml, part))
    depth, width, channels_max, size = _scale(yaml)
    levels = _anchors(yaml, anchors)
    return FamilyConfig(
        family=_family(rows, bool(levels)),
        size=size,
        rows=rows,
        classes=yaml.get("nc", 0),
        depth=depth,
        width=width,
        channels_max=channels_max,
        anchors=levels,
        bins=16 if levels else _bins(network),
        depthwise=any(".cv3.0.0.0.conv." in name for name in names),
        fused=not any(name.endswith(".bn.weight") for name in names),
        norm_eps=_norm_eps(network),
        linear=_linear(network),
    )


def _rows_of(yaml: dict[Any, Any], part: str) -> list[Any]:
    rows = yaml.get(part)
    if not isinstance(rows, list):
        raise WeightsError(f"its architecture has no {part}")
    return rows


def _row(row: Any) -> Row:
    if not isinstance(row, (list, tuple)) or len(row) != 4 or not isinstance(row[3], (list, tuple)):
        raise WeightsError("a row of its architecture is not [from, repeats, block, arguments]")
    inputs, repeats, block, arguments = row
    return Row(
        tuple(inputs) if isinstance(inputs, (list, tuple)) else (inputs,),
        repeats,
        block,
        tuple(WORDS.get(value, value) if isinstance(value, str) else value for value in arguments),
    )


def _family(rows: tuple[Row, ...], with_anchors: bool) -> str:
    blocks = {row.block for row in rows}
    if with_anchors:
        return "yolov5"
    newest = [family for block, family in (("C3k2", "yolo11"), ("C2f", "yolov8"), ("C3", "yolov5u")) if block in blocks]
    return newest[0] if newest else "yolo"


def _scale(yaml: dict[Any, Any]) -> tuple[float, float, int, str]:
    """Depth, width, most channels and the size's letter: from the table of sizes, or as two factors."""
    scales = yaml.get("scales")
    if isinstance(scales, dict) and scales:
        size = yaml.get("scale") or next(iter(scales))
        scale = scales.get(size) if isinstance(size, str) else None
        if not isinstance(scale, (list, tuple)) or len(scale) != 3:
            raise WeightsError("its architecture's size is not among its own sizes")
        return scale[0], scale[1], scale[2], size[:8]
    depth, width = yaml.get("depth_multiple", 1.0), yaml.get("width_multiple", 1.0)
    pair = (depth, width) if isinstance(depth, (int, float)) and isinstance(width, (int, float)) else None
    return depth, width, CHANNELS_MAX, SIZES.get(pair, "") if pair else ""


def _channels_in(yaml: dict[Any, Any]) -> Any:
    return yaml.get("ch", yaml.get("channels", 3))


def _anchors(yaml: dict[Any, Any], anchors: Tensor | None) -> tuple[tuple[float, ...], ...]:
    """The yaml's anchors where the head has some; how many there are is what counts, their sizes are in the state."""
    if anchors is None:
        return ()
    if anchors.ndim != 3 or not anchors.numel() or anchors.numel() > 1000:
        raise WeightsError(f"its anchors have the shape {tuple(anchors.shape)}")
    said = yaml.get("anchors")
    if isinstance(said, list) and all(isinstance(level, (list, tuple)) for level in said):
        return tuple(tuple(level) for level in said)
    return tuple((1.0,) * (2 * anchors.shape[1]) for _ in range(anchors.shape[0]))


def _bins(network: Instance) -> int:
    """How many distances an edge has, from the head itself."""
    for _, module in walk(network):
        if "reg_max" in module.state:
            if module.state.get("end2end") or child(module, "one2one_cv2"):
                raise WeightsError("its head answers without suppression (end to end), which cannot be served yet")
            bins = module.state["reg_max"]
            if type(bins) is not int:
                break
            return bins
    raise WeightsError("its head is none that is known here")


def _norm_eps(network: Instance) -> float:
    """What all batch norms add to the variance."""
    said = [module.state.get("eps") for _, module in walk(network) if module.kind == "BatchNorm2d"]
    found = {eps for eps in said if isinstance(eps, float)}
    if len(found) > 1:
        raise WeightsError("its batch norms differ in eps")
    return found.pop() if found else 1e-3


def _linear(network: Instance) -> tuple[str, ...]:
    """The convolutions that no activation follows; any other activation than SiLU is refused."""
    linear = []
    for name, module in walk(network):
        act = child(module, "act")
        if act is None or child(module, "conv") is None:
            continue
        if act.kind == "Identity":
            linear.append(name)
        elif act.kind != "SiLU":
            raise WeightsError(f"its activation is {act.kind[:40]}; SiLU is known")
    return tuple(linear)
