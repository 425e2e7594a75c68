"""From a ``.pt`` file of YOLOv5, YOLOv8 or YOLO11 to what a worker needs: architecture, labels, sizes and tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from models.checkpoints.architecture import config_of
from models.checkpoints.archive import Archive
from models.checkpoints.machine import read_pickle
from models.checkpoints.modules import tensor_records
from models.checkpoints.records import Instance, TensorRecord
from models.checkpoints.tensors import TensorReader
from models.families.config import CLASSES_MAX, FamilyConfig
from models.families.network import outline
from models.weights.errors import WeightsError

DEFAULT_IMGSZ = 640
IMGSZ_MAX = 4096
LABEL_CHARACTERS_MAX = 200
DETECTORS = ("DetectionModel", "Model")
"""The classes of whole networks that detect; YOLOv5 called its class ``Model`` before it had others."""
USUAL_SIZES = (640, 480, 320)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds. ``imgsz`` is the input size, in pixels a side, that it was trained with."""

    config: FamilyConfig
    labels: tuple[str, ...]
    stride: int
    imgsz: int
    state: dict[str, Tensor]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The input sizes to serve: the one of its training first, then the usual ones that its stride divides."""
        first = max(self.stride, -(-self.imgsz // self.stride) * self.stride)
        return (first, *(size for size in USUAL_SIZES if size != first and size % self.stride == 0))


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint without running anything of it. Raises WeightsError that says what is wrong with it."""
    try:
        with Archive(path) as archive:
            return _read(archive)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _read(archive: Archive) -> Checkpoint:
    if archive.is_torchscript:
        raise WeightsError(
            "it is a TorchScript export, which is code; name it as torchscript:PATH to serve it all the same"
        )
    content = read_pickle(archive.pickle())
    network = _network(content)
    records = tensor_records(network)
    tensors = TensorReader(archive)
    anchors = next((tensors.read(record) for name, record in records.items() if name.endswith(".anchors")), None)
    try:
        config = _fitting(config_of(network, records.keys(), anchors), records)
        stride = outline(config).stride
    except ValueError as error:
        raise WeightsError(str(error)) from error
    _check_stride(network, tensors, stride)
    state = {name: tensors.read(record) for name, record in records.items()}
    return Checkpoint(config, _labels(network, config.classes), stride, _imgsz(content, network), state)


def _network(content: Any) -> Instance:
    """The module that serves: the averaged one where there is one, as the families' own tools choose."""
    if isinstance(content, dict):
        if content and all(isinstance(value, TensorRecord) for value in content.values()):
            raise WeightsError("it is a plain state dict, which does not say of which network")
        content = content.get("ema") or content.get("model")
    if not isinstance(content, Instance):
        raise WeightsError(f"it holds no network but a {type(content).__name__}")
    if content.kind not in DETECTORS:
        raise WeightsError(f"it holds a {content.kind[:40]}; detectors of YOLOv5, YOLOv8 and YOLO11 can be served")
    return content


def _fitting(config: FamilyConfig, records: dict[str, TensorRecord]) -> FamilyConfig:
    """The config as it is, or with the channels unscaled that an older release would not have scaled, as it fits."""
    outputs = len(config.anchors[0]) // 2 * (config.classes + 5) if config.anchors else config.classes
    if not any(row.arguments[:1] == (outputs,) for row in config.rows):
        return config
    shapes = {name: tuple(tensor.shape) for name, tensor in outline(config).state_dict().items()}
    fits = all(records[name].shape == shape for name, shape in shapes.items() if name in records)
    return config if fits else replace(config, unscaled=outputs)


def _labels(network: Instance, classes: int) -> tuple[str, ...]:
    """Class names in the order of the classes, from a list or a dict by number."""
    names = network.state.get("names")
    if isinstance(names, dict):
        names = [names.get(index) for index in range(min(classes, CLASSES_MAX))] if len(names) == classes else None
    if not isinstance(names, (list, tuple)) or len(names) != classes:
        raise WeightsError(f"its class names are not {classes}, as many as its classes")
    if not all(isinstance(name, (str, int)) and len(str(name)) <= LABEL_CHARACTERS_MAX for name in names):
        raise WeightsError("its class names are no short texts")
    return tuple(str(name) for name in names)


def _check_stride(network: Instance, tensors: TensorReader, stride: int) -> None:
    record = network.state.get("stride")
    if not isinstance(record, TensorRecord):
        return
    said = [float(value) for value in tensors.read(record).flatten()[:16]]
    if said and max(said) != stride:
        raise WeightsError(f"it says that its stride is {max(said):g}; its architecture's is {stride}")


def _imgsz(content: Any, network: Instance) -> int:
    """The size that the training's arguments name, wherever they are kept."""
    kept = [content.get(name) for name in ("train_args", "opt")] if isinstance(content, dict) else []
    for arguments in (*kept, network.state.get("args")):
        fields = arguments.state if isinstance(arguments, Instance) else arguments
        imgsz = fields.get("imgsz") if isinstance(fields, dict) else None
        sides = imgsz if isinstance(imgsz, (list, tuple)) and 1 <= len(imgsz) <= 2 else [imgsz]
        known = [side for side in sides if isinstance(side, int) and 0 < side <= IMGSZ_MAX]
        if len(known) == len(sides):
            return max(known)
    return DEFAULT_IMGSZ
