"""What a checkpoint's pickle becomes: inert records of what it says, none of which can be called.

Numbers, texts, lists, dicts, sets and tuples stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Symbol:
    """A name that the pickle speaks of. It stands for nothing: the module it belongs to is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Instance:
    """An object of a class that is only known by name: what it was made of, and the attributes it was given."""

    symbol: Symbol
    args: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The class's bare name."""
        return self.symbol.name


@dataclass(frozen=True, eq=False)
class StorageRecord:
    """A run of ``numel`` numbers of type ``dtype`` (torch's name of it) in the archive's entry ``key``."""

    dtype: str
    key: str
    numel: int


@dataclass(frozen=True, eq=False)
class TensorRecord:
    """A tensor that was not read yet: a view of a storage, ``offset`` and ``strides`` in numbers."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
