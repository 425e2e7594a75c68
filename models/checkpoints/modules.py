"""A checkpoint's tree of modules, as records: its tensors by their full names, and what its layers are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.checkpoints.records import Instance, TensorRecord
from models.weights.errors import WeightsError

MODULES_MAX = 10_000
DEPTH_MAX = 32


def walk(root: Instance) -> Iterator[tuple[str, Instance]]:
    """Every module with its full name, the root first as "". Raises WeightsError for a tree too large to be one."""
    waiting: list[tuple[str, int, Instance]] = [("", 0, root)]
    for _ in range(MODULES_MAX):
        if not waiting:
            return
        prefix, depth, module = waiting.pop()
        yield prefix, module
        if depth > DEPTH_MAX:
            raise WeightsError(f"its modules lie more than {DEPTH_MAX} deep")
        inner = [(_joined(prefix, name), depth + 1, part) for name, part in children(module)]
        waiting.extend(reversed(inner))
    raise WeightsError(f"it has more than {MODULES_MAX} modules")


def children(module: Instance) -> Iterator[tuple[str, Instance]]:
    """A module's direct parts by name."""
    for name, part in _entries(module, "_modules"):
        if isinstance(part, Instance):
            yield name, part


def child(module: Instance, name: str) -> Instance | None:
    """The part of that name."""
    return next((part for known, part in children(module) if known == name), None)


def tensor_records(root: Instance) -> dict[str, TensorRecord]:
    """Parameters and persistent buffers, named as in a state dict."""
    found: dict[str, TensorRecord] = {}
    for prefix, module in walk(root):
        passing = module.state.get("_non_persistent_buffers_set")
        for kind in ("_parameters", "_buffers"):
            for name, value in _entries(module, kind):
                if isinstance(value, TensorRecord) and not (isinstance(passing, set) and name in passing):
                    found[_joined(prefix, name)] = value
    return found


def _entries(module: Instance, kind: str) -> Iterator[tuple[str, Any]]:
    entries = module.state.get(kind)
    if not isinstance(entries, dict):
        return
    for name, value in entries.items():
        if not isinstance(name, str) or not name or "." in name:
            raise WeightsError("its modules have names that are no names")
        yield name, value


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
