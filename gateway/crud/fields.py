"""The fields that a client may set with its images, from the query, the form, or both."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tenfold.contract.errors import InvalidRequest
from tenfold.contract.records import DetectOptions, Priority

FILES: Final = "files"
FIELD_BYTES_MAX: Final = 64 * 1024
DETECTIONS_MAX: Final = 1000
DEADLINE_MS_MAX: Final = 86_400_000
SIZE_MAX: Final = 16_384


class InvalidField(InvalidRequest):
    """A field is unknown, given twice, or outside what is allowed; ``field`` names it."""

    code = "invalid_field"

    def __init__(self, field: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client asked for; None where it left the choice to the service.

    Attributes:
        size: side of the network's square input, pixels (``imgsz``).
        deadline_ms: how long after acceptance the job may take, milliseconds.
        open: the job stays open for more images (``open=1``).
    """

    model: str | None
    size: int | None
    options: DetectOptions
    priority: Priority
    deadline_ms: int | None
    open: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    allowed: str
    read: Callable[[str], Any]


def _number(least: float, most: float) -> _Field:
    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return _Field(f"a number from {least:g} to {most:g}", read)


def _whole(least: int, most: int) -> _Field:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return _Field(f"a whole number from {least} to {most}", read)


def _name(text: str) -> str:
    if not 1 <= len(text) <= 256:
        raise ValueError
    return text


def _flag(text: str) -> bool:
    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]


_FIELDS: Final = {
    "model": _Field("a model's name", _name),
    "conf": _number(0, 1),
    "iou": _number(0, 1),
    "max_detections": _whole(1, DETECTIONS_MAX),
    "imgsz": _whole(1, SIZE_MAX),
    "priority": _Field("high, normal or low", Priority),
    "deadline_ms": _whole(1, DEADLINE_MS_MAX),
}
NAMES: Final = tuple(_FIELDS)
OPEN: Final = "open"


class Fields:
    """Fields as they come in, each checked at once. ``may_open``: whether ``open`` is one of them."""

    def __init__(self, *, may_open: bool = False) -> None:
        self._known = {**_FIELDS, OPEN: _Field("1 or 0", _flag)} if may_open else _FIELDS
        self._values: dict[str, Any] = {}

    def check_name(self, name: str) -> None:
        """Raise InvalidField (``unknown_field``) unless there is such a field."""
        if name not in self._known:
            names = ", ".join(self._known)
            raise InvalidField(
                name[:64],
                f"there is no field {name[:64]!r}; the fields are {names}, and images come as {FILES!r}",
                code="unknown_field",
            )

    def add(self, name: str, text: str) -> None:
        """Take one field.

        Raises:
            InvalidField: it is unknown, has another value already, or its value is not allowed.
        """
        self.check_name(name)
        field = self._known[name]
        try:
            value = field.read(text.strip())
        except (ValueError, KeyError):
            raise InvalidField(name, f"{name} is {text[:64]!r}; allowed: {field.allowed}") from None
        if self._values.setdefault(name, value) != value:
            raise InvalidField(name, f"{name} is given twice, as {self._values[name]} and as {value}")

    def wishes(self) -> Wishes:
        """What was asked for, with defaults for the rest."""
        given = self._values
        options = {name: given[name] for name in ("conf", "iou", "max_detections") if name in given}
        return Wishes(
            given.get("model"),
            given.get("imgsz"),
            DetectOptions(**options),
            given.get("priority", Priority.NORMAL),
            given.get("deadline_ms"),
            given.get(OPEN, False),
        )


class NoFields(Fields):
    """What may come with images for a job that there is: images alone."""

    def check_name(self, name: str) -> None:
        """Raise InvalidField: ``field_of_job`` for what a job is given when it is made, else ``unknown_field``."""
        if name in (*NAMES, OPEN):
            raise InvalidField(
                name,
                f"{name} belongs to the job and was settled when it was made; here come only images, as {FILES!r}",
                code="field_of_job",
            )
        raise InvalidField(
            name[:64], f"there is no field {name[:64]!r} here; images come as {FILES!r}", code="unknown_field"
        )
