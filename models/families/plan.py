"""From an architecture's rows to modules: which block, how wide, how often, reading what, at which stride.

The rules (how depth and width scale rows, which arguments a block takes) are those that the published checkpoints
follow; a network that breaks them could not take their weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from models.families.blocks import C2, C3, HEAD_CHANNELS, C2f, C2psa, C3k2, Concat, Conv, Sppf
from models.families.config import CHANNELS_MAX, FamilyConfig, Row
from models.families.heads import AnchorHead, DistanceHead

KERNEL_MAX = 31
STRIDE_MAX = 128
REPEATS_TOTAL_MAX = 512
WIDENS = 8
"""Channels are rounded up to multiples of this."""
NESTED_SIZES = "mlx"
"""YOLO11 of these sizes has nested stages everywhere, whatever its rows say."""


@dataclass(frozen=True)
class Layer:
    """A module to be made: what it reads (indices of earlier layers), its channels and its stride in input pixels."""

    make: Callable[[], nn.Module]
    inputs: tuple[int, ...]
    channels: int
    stride: int


@dataclass(frozen=True)
class _Place:
    """Where a row stands: the config that it belongs to, itself, and the layers that it reads."""

    config: FamilyConfig
    row: Row
    inputs: tuple[int, ...]
    read: tuple[Layer, ...]

    @property
    def channels(self) -> int:
        """Those of its first input."""
        return self.read[0].channels if self.read else 3

    @property
    def stride(self) -> int:
        """That of its first input."""
        return self.read[0].stride if self.read else 1

    @property
    def depth(self) -> int:
        """The row's repeats, scaled."""
        repeats = self.row.repeats
        return max(1, round(repeats * self.config.depth)) if repeats > 1 else repeats

    def number(self, index: int, default: int | None, most: int) -> int:
        """A whole argument in 1..``most``."""
        value = self.row.arguments[index] if index < len(self.row.arguments) else default
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(f"{self.row.block} has the argument {value!r} where a number of 1 to {most} is needed")
        return value

    def flag(self, index: int, default: bool) -> bool:
        """An argument that is true or false."""
        value = self.row.arguments[index] if index < len(self.row.arguments) else default
        if not isinstance(value, bool):
            raise ValueError(f"{self.row.block} has the argument {value!r} where True or False is needed")
        return value

    def share(self, index: int) -> float:
        """An argument in 0..1, by default a half."""
        value = self.row.arguments[index] if index < len(self.row.arguments) else 0.5
        if not isinstance(value, float) or not 0 < value <= 1:
            raise ValueError(f"{self.row.block} has the argument {value!r} where a share of 0 to 1 is needed")
        return value

    def width(self) -> int:
        """The first argument as channels, scaled and rounded up."""
        asked = self.number(0, None, CHANNELS_MAX)
        if asked == self.config.unscaled:
            return asked
        scaled = math.ceil(min(asked, self.config.channels_max) * self.config.width / WIDENS) * WIDENS
        if scaled > CHANNELS_MAX:
            raise ValueError(f"{self.row.block} would have {scaled} channels; {CHANNELS_MAX} are allowed")
        return scaled

    def takes(self, most: int) -> None:
        """Refuses arguments whose meaning is not known here."""
        if len(self.row.arguments) > most:
            raise ValueError(f"{self.row.block} has {len(self.row.arguments)} arguments; {most} are known")

    def layer(self, make: Callable[[], nn.Module], channels: int, stride: int | None = None) -> Layer:
        """The layer at this place."""
        return Layer(make, self.inputs, channels, self.stride if stride is None else stride)


def plan(config: FamilyConfig) -> list[Layer]:
    """The layers in their order, the head last. Raises ValueError for an architecture that is not known here."""
    layers: list[Layer] = []
    repeats = 0
    for index, row in enumerate(config.rows):
        if (row.block == "Detect") != (index == len(config.rows) - 1):
            raise ValueError("an architecture ends with its one Detect")
        inputs = tuple(_input(index, number) for number in row.inputs)
        place = _Place(config, row, inputs, tuple(layers[number] for number in inputs if number >= 0))
        repeats += place.depth
        if repeats > REPEATS_TOTAL_MAX:
            raise ValueError(f"the architecture repeats its blocks more than {REPEATS_TOTAL_MAX} times")
        layers.append(_planned(place))
    return layers


def _planned(place: _Place) -> Layer:
    block = place.row.block
    if block not in _BLOCKS:
        raise ValueError(f"the block {block[:40]!r} is not known; {', '.join(sorted(_BLOCKS))} are")
    if block not in _JOINING and len(place.inputs) != 1:
        raise ValueError(f"{block} reads one row, not {len(place.inputs)}")
    if block not in _STAGES and place.row.repeats != 1:
        raise ValueError(f"{block} does not repeat")
    if block in _JOINING and len(place.read) != len(place.inputs):
        raise ValueError(f"{block} cannot read the picture itself")
    layer = _BLOCKS[block](place)
    if layer.stride > STRIDE_MAX:
        raise ValueError(f"the architecture's stride grows beyond {STRIDE_MAX}")
    if layer.channels > CHANNELS_MAX:
        raise ValueError(f"the architecture's channels grow beyond {CHANNELS_MAX}")
    return layer


def _input(index: int, number: int) -> int:
    """The index of the layer that a row reads; -1 is the picture."""
    absolute = index + number if number < 0 else number
    if not -1 <= absolute < index or (absolute == -1 and index > 0):
        raise ValueError(f"row {index} reads row {number}, which is not before it")
    return absolute


def _conv(place: _Place) -> Layer:
    place.takes(4)
    channels, kernel, stride = place.width(), place.number(1, 1, KERNEL_MAX), place.number(2, 1, 2)
    padding = place.number(3, kernel // 2, KERNEL_MAX) if len(place.row.arguments) > 3 else None
    make = partial(Conv, place.channels, channels, kernel, stride, padding)
    return place.layer(make, channels, place.stride * stride)


def _partial_stage(block: Callable[[int, int, int, bool], nn.Module], *, shortcut: bool) -> Callable[[_Place], Layer]:
    """A stage whose one argument beside its width says whether its blocks add their input; ``shortcut`` if unsaid."""

    def lay(place: _Place) -> Layer:
        place.takes(2)
        channels = place.width()
        return place.layer(partial(block, place.channels, channels, place.depth, place.flag(1, shortcut)), channels)

    return lay


def _c3k2(place: _Place) -> Layer:
    place.takes(3)
    channels = place.width()
    nested = place.flag(1, False) or place.config.size in tuple(NESTED_SIZES)
    return place.layer(partial(C3k2, place.channels, channels, place.depth, nested, place.share(2)), channels)


def _sppf(place: _Place) -> Layer:
    place.takes(2)
    channels, kernel = place.width(), place.number(1, 5, KERNEL_MAX)
    return place.layer(partial(Sppf, place.channels, channels, kernel), channels)


def _c2psa(place: _Place) -> Layer:
    place.takes(1)
    channels = place.width()
    if channels != place.channels or channels // 2 % HEAD_CHANNELS:
        raise ValueError(
            f"C2PSA keeps its channels, a multiple of {2 * HEAD_CHANNELS}; not {place.channels} to {channels}"
        )
    return place.layer(partial(C2psa, channels, place.depth), channels)


def _upsample(place: _Place) -> Layer:
    if place.row.arguments != (None, 2, "nearest") or place.stride % 2:
        raise ValueError(f"nn.Upsample doubles to the nearest; {place.row.arguments!r} is not known")
    return place.layer(partial(nn.Upsample, scale_factor=2.0, mode="nearest"), place.channels, place.stride // 2)


def _concat(place: _Place) -> Layer:
    if place.row.arguments not in ((), (1,)):
        raise ValueError(f"Concat joins channels; {place.row.arguments!r} is not known")
    if len({layer.stride for layer in place.read}) != 1:
        raise ValueError("Concat joins rows of different strides")
    return place.layer(Concat, sum(layer.channels for layer in place.read))


def _detect(place: _Place) -> Layer:
    arguments: tuple[Any, ...] = place.row.arguments
    if arguments != (("nc", "anchors") if place.config.anchors else ("nc",)):
        raise ValueError(f"Detect takes nc, and anchors where there are any, not {arguments!r}")
    widths, strides = [layer.channels for layer in place.read], [layer.stride for layer in place.read]
    config = place.config
    if config.anchors and len(config.anchors) != len(widths):
        raise ValueError(f"Detect reads {len(widths)} rows and has anchors for {len(config.anchors)}")
    make: Callable[[], nn.Module] = (
        partial(AnchorHead, widths, strides, config.classes, len(config.anchors[0]) // 2)
        if config.anchors
        else partial(DistanceHead, widths, strides, config.classes, config.bins, config.depthwise)
    )
    return place.layer(make, 0, max(strides))


_BLOCKS: dict[str, Callable[[_Place], Layer]] = {
    "Conv": _conv,
    "C2": _partial_stage(C2, shortcut=True),
    "C3": _partial_stage(C3, shortcut=True),
    "C2f": _partial_stage(C2f, shortcut=False),
    "C3k2": _c3k2,
    "SPPF": _sppf,
    "C2PSA": _c2psa,
    "nn.Upsample": _upsample,
    "Concat": _concat,
    "Detect": _detect,
}
_STAGES = {"C2", "C3", "C2f", "C3k2", "C2PSA"}
_JOINING = {"Concat", "Detect"}
