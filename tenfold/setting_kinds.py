"""The kinds of value that a setting may take: how each reads text, writes it back, and says what is allowed.

All sources (a flag, a variable, a line of `tenfold.toml`) become text first, so that one reader judges them all.
"""

import argparse
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "k": 2**10, "m": 2**20, "g": 2**30,
    "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value. `read` raises ValueError for what is not `allowed`; `write` is its inverse.

    `separator` stands between the values of one that has several.
    """

    allowed: str
    read: Callable[[str], T]
    write: Callable[[T], str] = str
    separator: str = ","

    def flag(self, text: str) -> T:
        """The value of a command's flag: what argparse takes as `type`, so that a refusal says what is allowed."""
        try:
            return self.read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: {self.allowed}") from None


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def whole(least: int, most: int | None = None) -> Kind[int]:
    """A whole number from `least` to `most`, underscores allowed between digits."""

    def read(text: str) -> int:
        number = int(text)
        _require(number >= least and (most is None or number <= most))
        return number

    return Kind(f"a whole number, at least {least}" + ("" if most is None else f" and at most {most}"), read)


def number(least: float, most: float = float("inf"), *, above: bool = False) -> Kind[float]:
    """A decimal number from `least` (or, with `above`, more than it) to `most`."""

    def read(text: str) -> float:
        value = float(text)
        _require((value > least if above else value >= least) and value <= most and value != float("inf"))
        return value

    bounds = f"{'above' if above else 'at least'} {least:g}" + ("" if most == float("inf") else f", at most {most:g}")
    return Kind(f"a number {bounds}", read, lambda value: f"{value:.15g}")


def size(least: int = 1) -> Kind[int]:
    """A number of bytes, with a unit if wanted: `10485760`, `10 MiB`, `2GB`."""

    def read(text: str) -> int:
        match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
        _require(match is not None and match[2] in _UNITS)
        assert match is not None
        value = int(float(match[1]) * _UNITS[match[2]]) if "." in match[1] else int(match[1]) * _UNITS[match[2]]
        _require(value >= least)
        return value

    return Kind(f"a size of at least {least} bytes, such as 10485760, 10MiB or 2GB", read)


def choice(*words: str) -> Kind[str]:
    """One of `words`, in any case."""

    def read(text: str) -> str:
        word = text.strip().lower()
        _require(word in words)
        return word

    return Kind("one of " + ", ".join(words), read)


def matching(pattern: str, allowed: str) -> Kind[str]:
    """Text that matches the whole of `pattern`."""

    def read(text: str) -> str:
        _require(re.fullmatch(pattern, text.strip()) is not None)
        return text.strip()

    return Kind(allowed, read)


def optional(kind: Kind[T]) -> Kind[T | None]:
    """The same, or nothing: an empty text means that the value is not given."""
    return Kind(
        kind.allowed + ", or empty",
        lambda text: kind.read(text) if text.strip() else None,
        lambda value: "" if value is None else kind.write(value),
    )


def listing(kind: Kind[T], allowed: str, *, separator: str = ",", least: int = 0) -> Kind[tuple[T, ...]]:
    """Values between separators, at least so many; an empty text is an empty listing."""

    def read(text: str) -> tuple[T, ...]:
        values = tuple(kind.read(part.strip()) for part in text.split(separator) if part.strip())
        _require(len(values) >= least)
        return values

    def write(values: Sequence[T]) -> str:
        return separator.join(kind.write(value) for value in values)

    return Kind(allowed, read, write, separator)


def _read_flag(text: str) -> bool:
    word = text.strip().lower()
    _require(word in _TRUE + _FALSE)
    return word in _TRUE


def _read_path(text: str) -> Path:
    _require(text.strip() != "" and "\0" not in text)
    return Path(text).expanduser()


def _read_network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


FLAG: Kind[bool] = Kind("true or false", _read_flag, lambda value: "true" if value else "false")
PATH: Kind[Path] = Kind("a path", _read_path, lambda value: str(value.absolute()))
NETWORK: Kind[str] = Kind("an IP address or network", _read_network)
