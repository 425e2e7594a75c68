"""What a network of these families looks like, as data: it travels in the header of its weights file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

ROWS_MAX = 128
ROW_ARGUMENTS_MAX = 8
INPUTS_MAX = 8
REPEATS_MAX = 64
CHANNELS_MAX = 8192
CLASSES_MAX = 10_000
BINS_MAX = 64
ANCHORS_MAX = 16
LINEAR_MAX = 1000


@dataclass(frozen=True)
class Row:
    """A line of an architecture: a block, how often it repeats before scaling, and the rows that it reads (-1 is the
    one before it).
    """

    inputs: tuple[int, ...]
    repeats: int
    block: str
    arguments: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.inputs) <= INPUTS_MAX or not all(type(index) is int for index in self.inputs):
            raise ValueError(f"a row reads 1 to {INPUTS_MAX} rows, by whole numbers")
        if type(self.repeats) is not int or not 1 <= self.repeats <= REPEATS_MAX:
            raise ValueError(f"a row repeats 1 to {REPEATS_MAX} times")
        if not isinstance(self.block, str):
            raise ValueError("a row's block is a name")
        if len(self.arguments) > ROW_ARGUMENTS_MAX or not all(map(_is_plain, self.arguments)):
            raise ValueError(f"a row has at most {ROW_ARGUMENTS_MAX} arguments, numbers or words")


@dataclass(frozen=True)
class FamilyConfig:
    """The architecture of a :class:`~models.families.network.FamilyNetwork`.

    ``depth`` multiplies the rows' repeats, ``width`` their channels, after these were limited to ``channels_max``.
    ``anchors`` are each level's (width, height) pairs in input pixels, flat; empty for the heads without anchors, that
    have ``bins`` distances an edge. ``depthwise`` says that such a head's class branches are depthwise, as YOLO11's.
    ``fused`` networks have no batch norms, others have them with ``norm_eps``. ``linear`` names the convolutions that
    no activation follows. Rows that ask for ``unscaled`` channels get as many, whatever the width: some releases of the
    families' tools took the number of a classifier's outputs for final wherever it stood.
    """

    family: str
    size: str
    rows: tuple[Row, ...]
    classes: int
    depth: float
    width: float
    channels_max: int = CHANNELS_MAX
    anchors: tuple[tuple[float, ...], ...] = ()
    bins: int = 16
    depthwise: bool = False
    fused: bool = False
    norm_eps: float = 1e-3
    linear: tuple[str, ...] = ()
    unscaled: int = 0

    def __post_init__(self) -> None:
        self._check("rows", 1 <= len(self.rows) <= ROWS_MAX)
        self._check("classes", type(self.classes) is int and 1 <= self.classes <= CLASSES_MAX)
        self._check("channels_max", type(self.channels_max) is int and 8 <= self.channels_max <= CHANNELS_MAX)
        self._check("unscaled", type(self.unscaled) is int and 0 <= self.unscaled <= CHANNELS_MAX)
        self._check("bins", type(self.bins) is int and 2 <= self.bins <= BINS_MAX)
        for name in ("depth", "width", "norm_eps"):
            self._check(name, _is_positive(getattr(self, name)))
        self._check("linear", len(self.linear) <= LINEAR_MAX and all(isinstance(name, str) for name in self.linear))
        self._check("anchors", all(map(_are_anchors, self.anchors)) and len({len(level) for level in self.anchors}) < 2)

    @property
    def title(self) -> str:
        """The family with its size, as people write it: ``yolo11n``."""
        return self.family.removesuffix("u") + self.size + ("u" if self.family.endswith("u") else "")

    def to_json(self) -> str:
        """The text that :meth:`from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> FamilyConfig:
        """Raises ValueError for what is no configuration of these networks."""
        try:
            fields: dict[str, Any] = json.loads(text)
            rows = tuple(Row(**{name: _frozen(value) for name, value in row.items()}) for row in fields.pop("rows"))
            return cls(rows=rows, **{name: _frozen(value) for name, value in fields.items()})
        except (TypeError, AttributeError, KeyError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"not the configuration of a YOLO family's network: {text[:200]}") from error

    def _check(self, name: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"the architecture's {name} is outside what a network may have")


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 2**31
    return value is None or (isinstance(value, str) and len(value) <= 40)


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 16


def _are_anchors(level: Any) -> bool:
    if not isinstance(level, tuple) or len(level) % 2 or not 2 <= len(level) <= 2 * ANCHORS_MAX:
        return False
    return all(isinstance(side, (int, float)) and 0 < side < 2**20 for side in level)
