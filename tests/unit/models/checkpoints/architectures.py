"""Architectures as the checkpoints of the three families carry them: rows of [from, repeats, block, arguments]."""

from __future__ import annotations

from typing import Any

SCALES = {
    "yolov5": {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)},
    "yolov8": {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.0, 1.25)},
    "yolo11": {"n": (0.5, 0.25), "s": (0.5, 0.5), "m": (0.5, 1.0), "l": (1.0, 1.0), "x": (1.0, 1.5)},
}
CHANNELS_MAX = {
    "yolov8": {"n": 1024, "s": 1024, "m": 768, "l": 512, "x": 512},
    "yolo11": {"n": 1024, "s": 1024, "m": 512, "l": 512, "x": 512},
}
ANCHORS = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
TINY = (0.33, 0.125)
"""Depth and width of the networks that unit tests build."""


def yaml(family: str, size: str = "t", classes: int = 80, anchors: bool = False) -> dict[str, Any]:
    """What a checkpoint's network carries as `yaml`; the size `t` is the tests' own."""
    rows = {"yolov5": _yolov5, "yolov8": _yolov8, "yolo11": _yolo11}[family]()
    if anchors:
        rows[-1] = [rows[-1][0], 1, "Detect", ["nc", "anchors"]]
    split = next(index for index, row in enumerate(rows) if row[2] in {"SPPF", "C2PSA"} and row[0] == -1) + 1
    split += family == "yolo11"
    content: dict[str, Any] = {"nc": classes, "backbone": rows[:split], "head": rows[split:], "ch": 3}
    depth, width = TINY if size == "t" else SCALES[family][size]
    if anchors:
        return content | {"depth_multiple": depth, "width_multiple": width, "anchors": ANCHORS}
    most = CHANNELS_MAX.get(family, {}).get(size, 1024)
    return content | {"scales": {size: [depth, width, most]}, "scale": size}


def _down(channels: int) -> list[Any]:
    return [-1, 1, "Conv", [channels, 3, 2]]


def _up() -> list[Any]:
    return [-1, 1, "nn.Upsample", ["None", 2, "nearest"]]


def _join(other: int) -> list[Any]:
    return [[-1, other], 1, "Concat", [1]]


def _yolov5() -> list[list[Any]]:
    rows: list[list[Any]] = [[-1, 1, "Conv", [64, 6, 2, 2]]]
    for channels, repeats in ((128, 3), (256, 6), (512, 9), (1024, 3)):
        rows += [_down(channels), [-1, repeats, "C3", [channels]]]
    rows += [[-1, 1, "SPPF", [1024, 5]]]
    for channels, other in ((512, 6), (256, 4)):
        rows += [[-1, 1, "Conv", [channels, 1, 1]], _up(), _join(other), [-1, 3, "C3", [channels, False]]]
    for channels, other in ((256, 14), (512, 10)):
        rows += [_down(channels), _join(other), [-1, 3, "C3", [2 * channels, False]]]
    return [*rows, [[17, 20, 23], 1, "Detect", ["nc"]]]


def _yolov8() -> list[list[Any]]:
    rows: list[list[Any]] = [_down(64)]
    for channels, repeats in ((128, 3), (256, 6), (512, 6), (1024, 3)):
        rows += [_down(channels), [-1, repeats, "C2f", [channels, True]]]
    rows += [[-1, 1, "SPPF", [1024, 5]]]
    for channels, other in ((512, 6), (256, 4)):
        rows += [_up(), _join(other), [-1, 3, "C2f", [channels]]]
    for channels, other in ((256, 12), (512, 9)):
        rows += [_down(channels), _join(other), [-1, 3, "C2f", [2 * channels]]]
    return [*rows, [[15, 18, 21], 1, "Detect", ["nc"]]]


def _yolo11() -> list[list[Any]]:
    rows: list[list[Any]] = [_down(64)]
    stages = ((128, [256, False, 0.25]), (256, [512, False, 0.25]), (512, [512, True]), (1024, [1024, True]))
    for channels, arguments in stages:
        rows += [_down(channels), [-1, 2, "C3k2", arguments]]
    rows += [[-1, 1, "SPPF", [1024, 5]], [-1, 2, "C2PSA", [1024]]]
    for channels, other in ((512, 6), (256, 4)):
        rows += [_up(), _join(other), [-1, 2, "C3k2", [channels, False]]]
    for channels, other, nested in ((256, 13, False), (512, 10, True)):
        rows += [_down(channels), _join(other), [-1, 2, "C3k2", [2 * channels, nested]]]
    return [*rows, [[16, 19, 22], 1, "Detect", ["nc"]]]
