"""Checkpoints that mean harm, by name: what they would run, or how much memory and time they would take.

Each would leave a file `exploded` in the working directory if anything of it ran.
"""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from tests.unit.models.checkpoints import foreign

COMMAND = "touch exploded"
CODE = "open('exploded', 'w')"

# Names that run something when they are called with a text, as the well-known attacks on pickles use them.
RUNNERS = {
    "os.system": COMMAND,
    "posix.system": COMMAND,
    "nt.system": COMMAND,
    "os.popen": COMMAND,
    "subprocess.Popen": COMMAND,
    "subprocess.getoutput": COMMAND,
    "pty.spawn": COMMAND,
    "builtins.eval": CODE,
    "builtins.exec": CODE,
    "__builtin__.eval": CODE,
    "builtins.__import__": "antigravity",
    "builtins.open": "exploded",
    "builtins.getattr": "system",
    "builtins.compile": CODE,
    "builtins.breakpoint": CODE,
    "importlib.import_module": "antigravity",
    "runpy.run_path": "exploded",
    "shutil.rmtree": ".",
    "code.InteractiveInterpreter": CODE,
    "timeit.timeit": CODE,
    "cProfile.run": CODE,
    "marshal.loads": CODE,
    "pickle.loads": CODE,
    "types.FunctionType": CODE,
    "operator.methodcaller": "system",
    "functools.partial": COMMAND,
    "ctypes.CDLL": "libc.so.6",
    "socket.create_connection": "localhost",
    "webbrowser.open": "http://localhost",
    "torch.load": "exploded",
    "torch.hub.load": "exploded",
    "torch.jit.load": "exploded",
    "torch.storage._load_from_bytes": CODE,
    "torch.serialization.load": "exploded",
    "torch._utils._rebuild_device_tensor_from_numpy": CODE,
    "torch.utils.collect_env.run": COMMAND,
    "numpy.testing._private.utils.runstring": CODE,
    "models.registry.load": "demo",
    "ultralytics.nn.tasks system": COMMAND,
}


def archive(content: bytes, entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive as torch.save writes it, around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        made.writestr("best/data.pkl", content)
        for name, data in (entries or {}).items():
            made.writestr(f"best/{name}", data)
    return file.getvalue()


def calling(name: str, argument: str) -> bytes:
    """A pickle that calls a name with a text."""
    module, _, called = name.rpartition(".")
    return b"\x80\x02c" + f"{module}\n{called}\n".encode() + text(argument) + b"\x85R."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


@dataclass(frozen=True)
class Storage:
    """A storage as a pickle may claim it."""

    key: str
    numel: int
    kind: type = torch.FloatStorage


class Tensor:
    """A tensor as a pickle may claim it."""

    def __init__(self, storage: Any, shape: Any, strides: Any, offset: Any = 0) -> None:
        self.claim: tuple[Any, ...] = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, self.claim


class _Pickler(foreign._Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return ("storage", obj.kind, obj.key, "cpu", obj.numel) if isinstance(obj, Storage) else None


def dumped(content: Any) -> bytes:
    """A pickle of content with claimed storages and foreign classes."""
    file = io.BytesIO()
    _Pickler(file, 2).dump(content)
    return file.getvalue()


def network() -> Any:
    """The module of a whole checkpoint, whose tensors are claims upon one storage of their number each."""
    made = foreign.network(foreign.config("yolov8"))
    content = foreign.checkpoint(made, "yolov8")["model"]
    for module in content.modules():
        for table in (module._parameters, module._buffers):
            for name, value in table.items():
                if value is not None:
                    table[name] = Tensor(Storage("0", value.numel()), tuple(value.shape), tuple(value.stride()))
    content.stride = None
    return content


def claiming(tensor: Tensor, data: bytes = bytes(64)) -> bytes:
    """A checkpoint that is whole but for one tensor, which is read first."""
    made = network()
    made.stride = tensor
    return archive(dumped({"model": made}), {"data/0": data})


def sharing() -> bytes:
    """A whole network whose every tensor is the same storage: a small file that would become a large network."""
    made = network()
    most = 0
    for module in made.modules():
        for table in (module._parameters, module._buffers):
            most = max([most, *(value.claim[0].numel for value in table.values() if value is not None)])
    for module in made.modules():
        for table in (module._parameters, module._buffers):
            for value in table.values():
                if value is not None:
                    value.claim = (Storage("0", most), *value.claim[1:])
    return archive(dumped({"model": made}), {"data/0": bytes(4 * most)})


def with_yaml(**change: Any) -> bytes:
    """A checkpoint whose architecture asks for too much."""
    made = network()
    made.yaml = made.yaml | change
    return archive(dumped({"model": made}), {"data/0": bytes(64)})


def laughs() -> bytes:
    """Lists of lists, ten of each in each: 10^59 of them if anybody walks them."""
    content = b"\x80\x02]q\x00"
    for level in range(1, 60):
        content += b"](" + (b"h" + bytes([level - 1])) * 10 + b"eq" + bytes([level])
    return content + b"."


def deep(opening: bytes, closing: bytes, times: int = 200_000) -> bytes:
    return b"\x80\x02" + opening * times + closing * times + b"."


def copying() -> bytes:
    """One long list, copied again and again by calls of `list`."""
    long = b"](" + b"K\x01" * 100_000 + b"eq\x00"
    return b"\x80\x02" + long + b"(" + b"c__builtin__\nlist\nh\x00\x85R" * 10_000 + b"t."


def module_tree() -> bytes:
    """Modules that hold each other two at a time: 2^30 of them if each is visited by every way."""
    content = b"\x80\x02cultralytics.nn.modules.conv\nConv\n)\x81q\x00"
    for level in range(1, 31):
        inner = b"h" + bytes([level - 1])
        content += b"cultralytics.nn.tasks\nDetectionModel\n)\x81}" + text("_modules") + b"}("
        content += text("a") + inner + text("b") + inner + b"usbq" + bytes([level])
    return archive(content + b".")


def twice() -> bytes:
    """Two entries of one name: one for whoever looks, one for whoever loads."""
    file = io.BytesIO(archive(b"\x80\x02N."))
    with zipfile.ZipFile(file, "a") as made:
        made.NameToInfo.clear()
        made.writestr("best/data.pkl", calling("os.system", COMMAND))
    return file.getvalue()


def overlapping() -> bytes:
    """A thousand entries in the directory that all are the same bytes of the file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("best/data.pkl", b"\x80\x02N." + bytes(100_000))
        first = made.infolist()[0]
        for index in range(1000):
            again = zipfile.ZipInfo(f"best/data/{index}")
            again.header_offset, again.file_size, again.compress_size = 0, first.file_size, first.file_size
            again.CRC = first.CRC
            made.filelist.append(again)
    return file.getvalue()


def encrypted() -> bytes:
    content = bytearray(archive(b"\x80\x02N."))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    content[6] |= 1
    return bytes(content)


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("../../exploded"), io.BytesIO())
    return file.getvalue()


class _Chained:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (CODE,)


HARMFUL: dict[str, Callable[[], bytes]] = {
    **{f"calls {name}": partial(lambda *call: archive(calling(*call)), name, RUNNERS[name]) for name in RUNNERS},
    "bare pickle": lambda: calling("os.system", COMMAND),
    "bare pickle of an object": lambda: pickle.dumps(_Chained()),
    "object inside": lambda: archive(pickle.dumps({"model": _Chained()}, 2)),
    "object inside, protocol 5": lambda: archive(pickle.dumps({"model": _Chained()}, 5)),
    "name put together": lambda: archive(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05touch\x85R."),
    "name of a class, then called": lambda: archive(b"\x80\x02ctorch.nn.modules.conv\nConv2d\n)R)R."),
    "calls a text": lambda: archive(b"\x80\x02" + text("system") + b")R."),
    "calls a tensor's maker oddly": lambda: archive(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."),
    "looks up a method": lambda: archive(
        b"\x80\x02c__builtin__\ngetattr\nctorch.nn.modules.conv\nConv2d\n)\x81" + text("__init__") + b"\x86R."
    ),
    "looks up in a module": lambda: archive(b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\n" + text("x") + b"\x86R."),
    "old-style instance": lambda: archive(b"(" + b"S'touch exploded'\nios\nsystem\n."),
    "old-style object": lambda: archive(b"(cos\nsystem\nS'touch exploded'\no."),
    "extension registry": lambda: archive(b"\x80\x02\x82\x01."),
    "persistent text": lambda: archive(b"Pos.system\n."),
    "attributes for a class": lambda: archive(b"\x80\x02ctorch.nn.modules.conv\nConv2d\n}" + text("a") + b"K\x01sb."),
    "attributes for a list": lambda: archive(b"\x80\x02]}" + text("append") + b"K\x01sb."),
    "storage of no type": lambda: archive(
        b"\x80\x02(" + text("storage") + text("x") + text("0") + text("cpu") + b"K\x01tQ."
    ),
    "storage outside": lambda: claiming(Tensor(Storage("../../data.pkl", 4), (4,), (1,))),
    "storage that is missing": lambda: claiming(Tensor(Storage("77", 16), (16,), (1,))),
    "storage longer than its bytes": lambda: claiming(Tensor(Storage("0", 10**12), (4,), (1,))),
    "storage of other numbers": lambda: claiming(Tensor(Storage("0", 16, torch.DoubleStorage), (16,), (1,))),
    "huge shape": lambda: claiming(Tensor(Storage("0", 16), (2**40, 2**20), (2**20, 1))),
    "huge shape by strides of zero": lambda: claiming(Tensor(Storage("0", 16), (10**9,), (0,))),
    "shape beyond 64 bits": lambda: claiming(Tensor(Storage("0", 16), (2**80,), (1,))),
    "negative shape": lambda: claiming(Tensor(Storage("0", 16), (-4,), (1,))),
    "negative offset": lambda: claiming(Tensor(Storage("0", 16), (4,), (1,), -4)),
    "offset beyond": lambda: claiming(Tensor(Storage("0", 16), (4,), (1,), 14)),
    "strides beyond": lambda: claiming(Tensor(Storage("0", 16), (2,), (10**6,))),
    "strides too few": lambda: claiming(Tensor(Storage("0", 16), (2, 2), (1,))),
    "dimensions without end": lambda: claiming(Tensor(Storage("0", 16), (1,) * 5000, (1,) * 5000)),
    "tensor of no storage": lambda: claiming(Tensor("0", (2,), (1,))),
    "tensors that share": sharing,
    "whole numbers for weights": lambda: claiming(Tensor(Storage("0", 16, torch.IntStorage), (2,), (1,))),
    "endless repeats": lambda: with_yaml(backbone=[[-1, 64, "C2f", [1024]]] * 120),
    "endless rows": lambda: with_yaml(backbone=[[-1, 1, "Conv", [64]]] * 10_000),
    "endless width": lambda: with_yaml(scales={"t": [1.0, 16.0, 8192]}),
    "no number for a width": lambda: with_yaml(scales={"t": [1.0, float("nan"), 8192]}),
    "endless classes": lambda: with_yaml(nc=10**9),
    "wide rows": lambda: with_yaml(backbone=[[[-1] * 10**5, 1, "Concat", [1]]]),
    "rows that read themselves": lambda: with_yaml(backbone=[[0, 1, "Conv", [64]]]),
    "no rows": lambda: with_yaml(backbone=[], head=[]),
    "laughing lists": lambda: archive(laughs()),
    "deep lists": lambda: archive(deep(b"](", b"e")),
    "deep tuples": lambda: archive(b"\x80\x02)" + b"\x85" * 400_000 + b"."),
    "a crowd of objects": lambda: archive(
        b"\x80\x02)"
        + b"\x85" * 1000
        + b"("
        + b"ctorch.nn.modules.conv\nConv2d\nq\x00"
        + b"h\x00)\x81}" * 100_000
        + b"t."
    ),
    "module tree": module_tree,
    "copied lists": lambda: archive(copying()),
    "operations without end": lambda: archive(b"\x80\x02" + b"}" * 3_000_000 + b"."),
    "memory for a memo": lambda: archive(b"\x80\x02Nr\xff\xff\xff\xff."),
    "text that is not there": lambda: archive(b"\x80\x02X\xff\xff\xff\xffabc"),
    "bytes that are not there": lambda: archive(b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc"),
    "giant number": lambda: archive(b"\x80\x02\x8b" + struct.pack("<i", 4_000_000) + b"\x01" * 4_000_000 + b"."),
    "giant key": lambda: archive(b"\x80\x02}\x8a\xff" + b"\x01" * 255 + b"K\x01s."),
    "colliding keys": lambda: archive(b"\x80\x02}" + b"(K\x01\x85K\x01u."),
    "large pickle": lambda: archive(bytes(20 * 1024**2)),
    "empty pickle": lambda: archive(b""),
    "no end": lambda: archive(b"\x80\x02N"),
    "stack that is empty": lambda: archive(b"\x80\x020000."),
    "memo that is empty": lambda: archive(b"\x80\x02h\x07."),
    "no pickle": lambda: archive(b"hello"),
    "compressed bomb": lambda: archive(b"\x80\x02N." + bytes(200 * 1024**2), compression=zipfile.ZIP_DEFLATED),
    "compressed storage": lambda: archive(b"\x80\x02N.", {"data/0": bytes(10**7)}, zipfile.ZIP_LZMA),
    "entry twice": twice,
    "overlapping entries": overlapping,
    "entries without end": lambda: archive(b"\x80\x02N.", {f"data/{index}": b"" for index in range(30_000)}),
    "encrypted": encrypted,
    "two pickles": lambda: archive(b"\x80\x02N.", {"../other/data.pkl": calling("os.system", COMMAND)}),
    "numbers the other way round": lambda: archive(b"\x80\x02N.", {"byteorder": b"big"}),
    "no pickle inside": lambda: archive(b"").replace(b"data.pkl", b"data.txt"),
    "tar of before": tarred,
    "truncated": lambda: archive(dumped({"model": 1}))[:-40],
    "empty file": lambda: b"",
    "text file": lambda: b"<!DOCTYPE html><html>404</html>" * 10,
    "zeros": lambda: bytes(10_000),
}
