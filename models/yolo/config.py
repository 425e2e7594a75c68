"""What a network looks like, as data: it travels in the header of its weights file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

WIDTH_MAX = 4096
DEPTH_MAX = 64


@dataclass(frozen=True)
class YoloConfig:
    """The architecture of a :class:`~models.yolo.network.Yolo`.

    ``widths`` are channels at strides 2, 4, 8, 16 and 32; ``depths`` the bottlenecks of the stages at strides 4 to 32;
    ``neck`` the channels of the three levels that the head sees; ``head_box`` and ``head_class`` its inner channels;
    ``bins`` the distances, in strides, of the distribution over which a box edge is expected.
    """

    classes: int
    widths: tuple[int, int, int, int, int] = (16, 24, 48, 96, 128)
    depths: tuple[int, int, int, int] = (1, 1, 2, 1)
    neck: tuple[int, int, int] = (48, 64, 96)
    head_box: int = 32
    head_class: int = 48
    bins: int = 8

    def __post_init__(self) -> None:
        widths = (self.classes, *self.widths, *self.neck, self.head_box, self.head_class)
        _check("widths and classes", widths, WIDTH_MAX)
        _check("depths and bins", (*self.depths, self.bins), DEPTH_MAX)
        if (len(self.widths), len(self.depths), len(self.neck)) != (5, 4, 3):
            raise ValueError(f"a network has 5 widths, 4 depths and 3 neck widths: {self}")

    def to_json(self) -> str:
        """The text that :meth:`from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> YoloConfig:
        """Raises ValueError for what is no configuration of this network."""
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(**{name: _frozen(value) for name, value in fields.items()})
        except (TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"not the configuration of a Yolo network: {text[:200]}") from error


def _check(what: str, numbers: tuple[int, ...], most: int) -> None:
    if not all(type(number) is int and 1 <= number <= most for number in numbers):
        raise ValueError(f"{what} of a network must be whole numbers from 1 to {most}, got {numbers}")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
