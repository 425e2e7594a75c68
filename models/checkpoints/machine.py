"""Reads a pickle without unpickling: a machine for its operations that only ever makes records.

Python's own unpickler calls what a pickle names; this one has nothing to call. ``pickletools`` cuts the bytes into
operations, each changes a stack, and names become :class:`~models.checkpoints.records.Symbol`. What torch.save writes
(protocols 2 to 5) is understood; other operations are refused. Time and memory are bounded by the number of operations.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from typing import Any, Final

from models.checkpoints.names import CONTAINERS, LOOKUPS, METHODS, STORAGES, TENSORS, is_known
from models.checkpoints.records import Instance, StorageRecord, Symbol, TensorRecord
from models.weights.errors import WeightsError

OPERATIONS_MAX = 1_000_000
"""The checkpoint of a running training, optimizer included, has 77 000 for YOLO11 n; larger ones have twice as many."""
DIMENSIONS_MAX = 8
INT_MAX = 2**63


def read_pickle(data: bytes) -> Any:
    """The object that a pickle describes, as records. Raises WeightsError."""
    try:
        return _Machine().run(pickletools.genops(data))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"its pickle is damaged: {type(error).__name__}: {str(error)[:120]}") from error


class _Mark:
    """The place on the stack where a group of values begins."""


_MARK: Final = _Mark()


class _Machine:
    """The stack and the memo of one pickle, and how many values were copied from one container into another."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def run(self, operations: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> Any:
        """Carries the operations out until STOP."""
        for count, (code, argument, _) in enumerate(operations):
            if count >= OPERATIONS_MAX:
                raise WeightsError(f"its pickle has more than {OPERATIONS_MAX} operations")
            if code.name == "STOP":
                return self._pop()
            _step(self, code.name, argument)
        raise WeightsError("its pickle is damaged: it has no end")

    def push(self, value: Any) -> None:
        """Puts a value on the stack."""
        self.stack.append(value)

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise WeightsError("its pickle is damaged: a value is missing")
        return value

    def _pop_group(self) -> list[Any]:
        group: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            group.append(value)
        return group[::-1]

    def _top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise WeightsError(f"its pickle is damaged: a {kind.__name__} is missing")
        return self.stack[-1]

    def mark(self, _: Any) -> None:
        self.push(_MARK)

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def pop_group(self, _: Any) -> None:
        self._pop_group()

    def duplicate(self, _: Any) -> None:
        self.push(self.stack[-1])

    def remember(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self.push(tuple(values[::-1]))

    def tuple_of_group(self, _: Any) -> None:
        self.push(tuple(self._pop_group()))

    def append(self, _: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def append_group(self, _: Any) -> None:
        values = self._pop_group()
        self._top(list).extend(values)

    def add_group(self, _: Any) -> None:
        values = self._pop_group()
        self._top(set).update(map(_key, values))

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._top(dict)[_key(key)] = value

    def set_items(self, _: Any) -> None:
        values = self._pop_group()
        target = self._top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.push(_symbol(module, name))

    def name_from_stack(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self.push(_symbol(module, name))

    def make(self, _: Any) -> None:
        arguments, symbol = self._pop(), self._pop()
        self._count_copies(arguments)
        self.push(_made(symbol, arguments))

    def make_with_keywords(self, _: Any) -> None:
        keywords, arguments, symbol = self._pop(), self._pop(), self._pop()
        if keywords:
            raise WeightsError(f"its pickle makes {_called(symbol)} in a way that no YOLO checkpoint needs")
        self._count_copies(arguments)
        self.push(_made(symbol, arguments))

    def give_state(self, _: Any) -> None:
        state, target = self._pop(), self._pop()
        if isinstance(target, Instance):
            attributes = _attributes(state)
            self._count_copies((attributes,))
            target.state.update(attributes)
        elif not isinstance(target, (dict, TensorRecord)):
            raise WeightsError("its pickle gives attributes to what has none")
        self.push(target)

    def storage(self, _: Any) -> None:
        self.push(_storage(self._pop()))

    def _count_copies(self, arguments: Any) -> None:
        """A container that is copied again and again would make much of little."""
        first = arguments[0] if isinstance(arguments, tuple) and arguments else None
        if isinstance(first, (list, tuple, set, dict)):
            self.copied += len(first)
        if self.copied > OPERATIONS_MAX:
            raise WeightsError(f"its pickle copies more than {OPERATIONS_MAX} values")


_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_NUMBERS: Final = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_TEXTS: Final = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING")
_BYTES: Final = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_LITERALS: Final = frozenset((*_NUMBERS, *_TEXTS, *_BYTES))
_NOTHING_TO_DO: Final = frozenset(("PROTO", "FRAME"))
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OPERATIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_group,
    "DUP": _Machine.duplicate,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": _Machine.tuple_of_group,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_group,
    "ADDITEMS": _Machine.add_group,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "REDUCE": _Machine.make,
    "NEWOBJ": _Machine.make,
    "NEWOBJ_EX": _Machine.make_with_keywords,
    "BUILD": _Machine.give_state,
    "BINPERSID": _Machine.storage,
}


def _step(machine: _Machine, name: str, argument: Any) -> None:
    if name in _LITERALS:
        machine.push(argument)
    elif name in _CONSTANTS:
        machine.push(_CONSTANTS[name]())
    elif name in _TUPLES:
        machine.tuple_of(_TUPLES[name])
    elif name in _OPERATIONS:
        _OPERATIONS[name](machine, argument)
    elif name not in _NOTHING_TO_DO:
        raise WeightsError(f"its pickle uses the operation {name}, which torch.save does not write")


def _symbol(module: Any, name: Any) -> Symbol:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise WeightsError("its pickle is damaged: a name is no text")
    if not is_known(module, name):
        raise WeightsError(
            f"it names {f'{module}.{name}'[:120]!r}, which no YOLO checkpoint needs; nothing of it was run"
        )
    return Symbol(module, name)


def _made(symbol: Any, arguments: Any) -> Any:
    """What a call of ``symbol`` stands for. Nothing is called."""
    if not isinstance(symbol, Symbol) or not isinstance(arguments, tuple):
        raise WeightsError("its pickle calls what is no name; nothing of it was run")
    pair = (symbol.module, symbol.name)
    if pair in CONTAINERS:
        return _container(CONTAINERS[pair], arguments)
    if pair in TENSORS:
        return _tensor(arguments) if TENSORS[pair] == "tensor" else _parameter(arguments)
    if pair in LOOKUPS and not _is_method(arguments):
        raise WeightsError(
            f"it looks something up by {_called(symbol)}, which no YOLO checkpoint needs; nothing was run"
        )
    return Instance(symbol, arguments)


def _is_method(arguments: tuple[Any, ...]) -> bool:
    """Whether (object, name) is a module and a method that fused ones are known to keep."""
    match arguments:
        case (Instance(), str(name)):
            return name in METHODS
    return False


def _container(kind: str, arguments: tuple[Any, ...]) -> Any:
    content = arguments[0] if arguments else ()
    if not isinstance(content, (list, tuple, set)):
        raise WeightsError(f"its pickle makes a {kind} of a {type(content).__name__}")
    if kind == "dict":
        return {_key(key): value for key, value in content}
    if kind == "set":
        return set(map(_key, content))
    return list(content) if kind == "list" else tuple(content)


def _tensor(arguments: tuple[Any, ...]) -> TensorRecord:
    storage, offset, shape, strides = arguments[:4] if len(arguments) >= 4 else (None,) * 4
    if not (isinstance(storage, StorageRecord) and _is_count(offset) and _are_counts(shape) and _are_counts(strides)):
        raise WeightsError("its pickle describes a tensor in a way that is not torch's")
    if len(shape) != len(strides):
        raise WeightsError(f"its pickle describes a tensor of {len(shape)} dimensions and {len(strides)} strides")
    return TensorRecord(storage, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...]) -> TensorRecord:
    if not arguments or not isinstance(arguments[0], TensorRecord):
        raise WeightsError("its pickle makes a parameter of what is no tensor")
    return arguments[0]


def _storage(description: Any) -> StorageRecord:
    """From torch's ("storage", type, key, device, numbers)."""
    if not isinstance(description, tuple) or len(description) != 5 or description[0] != "storage":
        raise WeightsError("its pickle refers to what is no storage")
    _, kind, key, _, numel = description
    if not isinstance(kind, Symbol) or kind.module != "torch" or kind.name not in STORAGES:
        raise WeightsError(f"its pickle has a storage of type {_called(kind)}, which is not known")
    if not isinstance(key, str) or not _is_count(numel):
        raise WeightsError("its pickle refers to a storage without a key or a length")
    return StorageRecord(STORAGES[kind.name], key, numel)


def _attributes(state: Any) -> dict[str, Any]:
    """A dict of attributes; of the pair (dict, slots) that some classes write, the dict."""
    if isinstance(state, tuple) and len(state) == 2:
        state = state[0]
    return state if isinstance(state, dict) else {}


def _key(key: Any) -> Any:
    """A key that hashes fast: tuples and giant numbers can be made to collide."""
    if isinstance(key, int) and not -INT_MAX <= key < INT_MAX:
        raise WeightsError("its pickle has a number beyond 64 bits as a key")
    if not isinstance(key, (str, int, type(None), Symbol, Instance, TensorRecord)):
        raise WeightsError(f"its pickle has a {type(key).__name__} as a key")
    return key


def _called(value: Any) -> str:
    """A value's name for a message; never its content, which may be endless."""
    return str(value)[:80] if isinstance(value, Symbol) else f"a {type(value).__name__}"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < INT_MAX


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) <= DIMENSIONS_MAX and all(_is_count(value) for value in values)
