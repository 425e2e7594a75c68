"""From a model's name to a detector.

Names are ``demo``; ``synthetic``, with parameters after a colon as in ``synthetic:base_ms=5,item_ms=2``; the path of a
``.safetensors`` file that Tenfold wrote or of a YOLO checkpoint, a ``.pt`` file; ``torchvision/NAME``; and a
TorchScript export as ``torchscript:PATH``, only when it is named so, since that is code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from models import torchscript
from models.checkpoints import serving as checkpoints
from models.detector import Detector, ModelSpec
from models.families import weights_file as families
from models.families.letterbox import fit as fit_for_families
from models.synthetic import SyntheticDetector, SyntheticOptions
from models.synthetic import describe as describe_synthetic
from models.weights.container import WeightsMetadata, read_metadata, read_tensors, sha256_of
from models.weights.errors import WeightsError
from models.weights.state import load_strictly
from models.yolo.config import YoloConfig
from models.yolo.network import STRIDES, Yolo
from models.yolo.serving import YoloDetector

DEMO_WEIGHTS = Path(__file__).parent / "data" / "demo.safetensors"
ARCHITECTURE = "tenfold-yolo"
TORCHVISION = "torchvision/"
NAMES = (
    "demo",
    "synthetic",
    "synthetic:base_ms=MS,item_ms=MS",
    "torchvision/NAME",
    "torchscript:PATH",
    "a path to a .safetensors or .pt file",
)


class UnknownModel(ValueError):
    """No model has that name. The message lists those there are."""


def describe(name: str) -> ModelSpec:
    """What the model of that name offers, without loading it for use.

    Raises UnknownModel, ValueError for wrong parameters and WeightsError for a file that does not serve.
    """
    synthetic = _synthetic_options(name)
    if synthetic is not None:
        return describe_synthetic(name, synthetic)
    if name.startswith(TORCHVISION):
        from models import torchvision_detectors

        return torchvision_detectors.describe(name)
    if name.startswith(torchscript.PREFIX):
        return torchscript.describe(_file(name, name.removeprefix(torchscript.PREFIX)))
    path = _weights_path(name)
    return checkpoints.describe(path) if path.suffix == checkpoints.SUFFIX else _describe_file(name, path)


def load(name: str, device: str | torch.device = "cpu") -> Detector:
    """The detector of that name on that device (``cpu``, ``cuda:0``). Raises as :func:`describe` does."""
    synthetic = _synthetic_options(name)
    if synthetic is not None:
        return SyntheticDetector(name, synthetic)
    if name.startswith(TORCHVISION):
        # Its models are many modules, that only they need.
        from models import torchvision_detectors

        return torchvision_detectors.load(name, torch.device(device))
    if name.startswith(torchscript.PREFIX):
        path = _file(name, name.removeprefix(torchscript.PREFIX))
        with _untouched(path):
            return torchscript.load(path, torch.device(device))
    path = _weights_path(name)
    with _untouched(path):
        return _load_file(name, path, torch.device(device))


@contextmanager
def _untouched(path: Path) -> Iterator[None]:
    """What is read of the file inside is of one version. Raises WeightsError where somebody wrote to it meanwhile."""
    before = sha256_of(path)
    yield
    if sha256_of(path) != before:
        raise WeightsError(f"{path}: it changed while it was read; load it once it is whole")


def _load_file(name: str, path: Path, device: torch.device) -> Detector:
    if path.suffix == checkpoints.SUFFIX:
        return checkpoints.load(path, device)
    spec, metadata = _describe_file(name, path), read_metadata(path)
    if metadata.architecture == families.ARCHITECTURE:
        return YoloDetector(spec, families.read_network(path, metadata), device, fit_for_families)
    return YoloDetector(spec, read_network(path), device)


def read_network(path: Path) -> Yolo:
    """The network of a weights file, in evaluation mode on the CPU. Raises WeightsError."""
    metadata = read_metadata(path)
    try:
        config = YoloConfig.from_json(metadata.config)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    if config.classes != len(metadata.labels):
        raise WeightsError(f"{path}: {len(metadata.labels)} labels for {config.classes} classes")
    # Without storage until the tensors are known to fit: a header may claim any size.
    with torch.device("meta"):
        network = Yolo(config)
    load_strictly(network, read_tensors(path), str(path))
    return network.eval()


def _synthetic_options(name: str) -> SyntheticOptions | None:
    kind, _, parameters = name.partition(":")
    return SyntheticOptions.parse(parameters) if kind == "synthetic" else None


def _weights_path(name: str) -> Path:
    path = DEMO_WEIGHTS if name == "demo" else Path(name)
    if name != "demo" and path.suffix not in {".safetensors", checkpoints.SUFFIX}:
        raise UnknownModel(f"no model is named {name!r}; there are: {', '.join(NAMES)}")
    return _file(name, path)


def _file(name: str, path: str | Path) -> Path:
    if not Path(path).is_file():
        raise UnknownModel(f"the weights of model {name!r} are not there: no file {path}")
    return Path(path)


def _describe_file(name: str, path: Path) -> ModelSpec:
    metadata = read_metadata(path)
    _check_architecture(path, metadata)
    shown = "demo" if name == "demo" else path.stem
    try:
        return ModelSpec(
            shown,
            sha256_of(path)[:8],
            metadata.labels,
            metadata.sizes,
            metadata.stride,
            description=metadata.description,
        )
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def _check_architecture(path: Path, metadata: WeightsMetadata) -> None:
    if metadata.architecture == families.ARCHITECTURE:
        families.read_config(path, metadata)
    elif metadata.architecture != ARCHITECTURE:
        known = f"{ARCHITECTURE!r} and {families.ARCHITECTURE!r} are"
        raise WeightsError(f"{path}: architecture {metadata.architecture!r} is not known; {known}")
    elif metadata.stride != max(STRIDES):
        raise WeightsError(f"{path}: stride {metadata.stride} is not the network's, {max(STRIDES)}")
