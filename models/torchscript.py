"""TorchScript exports of YOLO detectors, named as ``torchscript:PATH``.

TorchScript is code: it runs whatever its author wrote, so that the name's prefix is the consent, and a bare path is
never loaded as such. Labels, stride and input size come from the file ``config.txt`` that the usual tools put into the
archive; the network's answers are raw: (B, 4 + C, A) of centres, sides and scores, or YOLOv5's (B, A, 5 + C) with
objectness.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.archive import Archive
from models.detector import SIZE_MAX, Detector, ModelSpec
from models.families.letterbox import fit
from models.predictor import Candidates, Predictor
from models.weights.container import LABELS_MAX, sha256_of
from models.weights.errors import WeightsError
from models.yolo.serving import YoloDetector

PREFIX = "torchscript:"
CONFIG_BYTES_MAX = 1024 * 1024
SCRIPT_FAULTS = (RuntimeError, torch.jit.Error)


def describe(path: Path) -> ModelSpec:
    """What the export says that it offers, without loading its code. Raises WeightsError."""
    try:
        with Archive(path) as archive:
            if not archive.is_torchscript:
                raise WeightsError("it is no TorchScript export")
            config = archive.extra_file("config.txt", CONFIG_BYTES_MAX)
        if config is None:
            raise WeightsError("it has no config.txt with its names, stride and size")
        return _spec(path, _parsed(config))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def load(path: Path, device: torch.device) -> Detector:
    """The export's detector, in single precision: what was traced may hold constants of it. Raises WeightsError."""
    spec = describe(path)
    try:
        script = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]  # torch has no types here
    except (*SCRIPT_FAULTS, ValueError) as error:
        raise WeightsError(f"{path}: TorchScript does not load it: {_first_line(error)}") from error
    network = TorchscriptNetwork(script, _layout(path, script, spec))
    return YoloDetector(spec, network, device, fit, torch.float32)


@dataclass(frozen=True)
class Layout:
    """How the answer lies: ``objects`` says that each candidate has an objectness, and candidates come before columns;
    ``batches`` that several pictures can be asked for at once.
    """

    objects: bool
    batches: bool


class TorchscriptNetwork(Predictor):
    """A scripted network whose raw answer becomes candidates."""

    def __init__(self, script: torch.jit.ScriptModule, layout: Layout) -> None:
        super().__init__()
        self.script = script
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) in 0..1 to (B, A, 4 + C): centre, sides and scores in input pixels."""
        together = [x] if self.layout.batches else [x[index : index + 1] for index in range(len(x))]
        answer = torch.cat([_first(self.script(part)) for part in together])
        if not self.layout.objects:
            return answer.transpose(1, 2)
        return torch.cat([answer[..., :4], answer[..., 5:] * answer[..., 4:5]], dim=-1)

    def predict(self, x: Tensor, conf: float) -> list[Candidates]:
        """See :class:`~models.predictor.Predictor`."""
        return [_candidates(rows, conf) for rows in self(x)]


def _candidates(rows: Tensor, conf: float) -> Candidates:
    sure = rows[rows[:, 4:].amax(-1) >= conf].float().cpu()
    centres, halves = sure[:, :2], sure[:, 2:4] / 2
    return Candidates(torch.cat([centres - halves, centres + halves], dim=-1), sure[:, 4:])


def _layout(path: Path, script: torch.jit.ScriptModule, spec: ModelSpec) -> Layout:
    """Learned by asking: one grey picture, then two. Raises WeightsError for an answer of another shape."""
    size, classes = spec.sizes[0], len(spec.labels)
    with torch.inference_mode():
        try:
            shape = tuple(_first(script(torch.full((1, 3, size, size), 0.5))).shape)
        except (*SCRIPT_FAULTS, TypeError) as error:
            raise WeightsError(
                f"{path}: it does not answer to a picture of {size} pixels: {_first_line(error)}"
            ) from error
        objects = shape[2:] == (5 + classes,)
        if len(shape) != 3 or not (objects or shape[1] == 4 + classes):
            raise WeightsError(f"{path}: its answer has the shape {shape}, which is no raw answer of {classes} classes")
        return Layout(objects, _answers_two(script, size, shape))


def _answers_two(script: torch.jit.ScriptModule, size: int, shape: tuple[int, ...]) -> bool:
    try:
        return tuple(_first(script(torch.full((2, 3, size, size), 0.5))).shape) == (2, *shape[1:])
    except SCRIPT_FAULTS:
        return False


def _first(answer: Any) -> Tensor:
    """The answer itself, of those that come with what only training needs."""
    first = answer[0] if isinstance(answer, (tuple, list)) and answer else answer
    if not isinstance(first, Tensor):
        raise TypeError("its answer is no tensor")
    return first


def _parsed(config: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise WeightsError("its config.txt is no JSON") from error
    if not isinstance(parsed, dict):
        raise WeightsError("its config.txt is no JSON object")
    return parsed


def _spec(path: Path, config: dict[str, Any]) -> ModelSpec:
    if config.get("task", "detect") != "detect":
        raise WeightsError(f"its task is {str(config['task'])[:40]!r}; detection can be served")
    options = config.get("args")
    if config.get("end2end") or (isinstance(options, dict) and options.get("nms")):
        raise WeightsError("it suppresses boxes itself; export it without that, so that each request can have its own")
    try:
        return ModelSpec(
            path.stem,
            sha256_of(path)[:8],
            _labels(config),
            (_size(config),),
            _stride(config),
            description="TorchScript",
        )
    except ValueError as error:
        raise WeightsError(str(error)) from error


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("names")
    if isinstance(names, dict):
        names = [names.get(str(index)) for index in range(min(len(names), LABELS_MAX))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WeightsError("its config.txt has no names of its classes")
    return tuple(names)


def _size(config: dict[str, Any]) -> int:
    sides = config.get("imgsz", config.get("shape"))
    sides = [sides] if isinstance(sides, int) else sides
    if not isinstance(sides, list) or not sides or any(type(side) is not int for side in sides):
        raise WeightsError("its config.txt has no input size")
    if len(set(sides[-2:])) != 1 or not 0 < sides[-1] <= SIZE_MAX:
        raise WeightsError(f"its input is {sides[-2:]} pixels; squares of up to {SIZE_MAX} can be served")
    side: int = sides[-1]
    return side


def _stride(config: dict[str, Any]) -> int:
    stride = config.get("stride")
    if type(stride) is not int or not 0 < stride <= SIZE_MAX:
        raise WeightsError("its config.txt has no stride")
    return stride


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
