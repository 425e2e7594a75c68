"""The names that a YOLO checkpoint may speak of. Everything else is refused by its name.

A name on these lists is not thereby run: :mod:`models.checkpoints.machine` imports none of them and turns them into
records.
"""

from __future__ import annotations

STORAGES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}

BUILTIN_MODULES = ("builtins", "__builtin__")
CONTAINERS = {
    **{(module, "set"): "set" for module in BUILTIN_MODULES},
    **{(module, "frozenset"): "set" for module in BUILTIN_MODULES},
    **{(module, "list"): "list" for module in BUILTIN_MODULES},
    **{(module, "dict"): "dict" for module in BUILTIN_MODULES},
    **{(module, "tuple"): "tuple" for module in BUILTIN_MODULES},
    ("collections", "OrderedDict"): "dict",
    ("torch", "Size"): "tuple",
}

TENSORS = {
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch._utils", "_rebuild_parameter_with_state"): "parameter",
}

# Fused modules keep which of their own methods they now run, as getattr(module, "forward_fuse").
LOOKUPS = {(module, "getattr") for module in BUILTIN_MODULES}
METHODS = {"forward_fuse"}

# Attributes that people's trainings leave beside the weights; they are kept as records that nobody looks into.
BYSTANDERS = {
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("collections", "defaultdict"),
    ("datetime", "datetime"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "PureWindowsPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "device"),
    ("types", "SimpleNamespace"),
}
DTYPES = {"float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"}

# Where module classes live: torch's own layers, and the packages that write these checkpoints.
CLASS_PACKAGES = ("torch.nn.modules.", "ultralytics.nn.", "ultralytics.utils", "ultralytics.yolo.", "yolov5.models.")
YOLOV5_MODULES = {"models.yolo", "models.common", "models.experimental"}


def is_known(module: str, name: str) -> bool:
    """Whether a checkpoint of these families may speak of that name."""
    pair = (module, name)
    if pair in CONTAINERS or pair in TENSORS or pair in LOOKUPS or pair in BYSTANDERS:
        return True
    if module == "torch":
        return name in STORAGES or name in DTYPES
    return name.isidentifier() and (module in YOLOV5_MODULES or module.startswith(CLASS_PACKAGES))
