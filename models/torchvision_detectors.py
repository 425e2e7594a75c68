"""Torchvision's detectors by name: ``torchvision/ssdlite320_mobilenet_v3_large``.

They come with torchvision's own weights, from its cache or downloaded into it, or with a state dict and a text of one
label a line as ``torchvision/NAME:weights=PATH,labels=PATH`` (without ``labels``: COCO's). An input size is the
longest side in pixels; the first one is torchvision's own. These models suppress boxes themselves, so that a request's
``conf``, ``iou`` and ``max_detections`` can only ask for less than their own defaults give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from models.boxes import select
from models.detector import Detections, DetectOptions, Detector, ModelSpec, Prepared
from models.letterbox import Letterbox
from models.weights.container import LABELS_MAX, sha256_of
from models.weights.errors import WeightsError
from models.weights.state import load_strictly, read_state_dict

PREFIX = "torchvision/"
NAMES = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
WITHOUT_EPS = {"fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"}
"""Their weights were trained with norms that add nothing to the variance."""
LABELS_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True)
class TorchvisionOptions:
    """Which network, and where its numbers and labels are; None for torchvision's own."""

    network: str
    weights: Path | None = None
    labels: Path | None = None

    @classmethod
    def parse(cls, name: str) -> TorchvisionOptions:
        """From the model's name. Raises ValueError that says what is allowed."""
        network, _, text = name.removeprefix(PREFIX).partition(":")
        if network not in NAMES:
            raise ValueError(f"torchvision has no detector {network!r}; {', '.join(NAMES)} can be served")
        given: dict[str, Path] = {}
        for part in filter(None, text.split(",")):
            key, _, value = part.partition("=")
            if key not in {"weights", "labels"} or key in given or not value:
                raise ValueError(f"torchvision/{network}: {part!r} is not weights=PATH or labels=PATH")
            given[key] = Path(value)
        if "labels" in given and "weights" not in given:
            raise ValueError(f"torchvision/{network}: labels of your own need weights of your own")
        return cls(network, **given)


def describe(name: str) -> ModelSpec:
    """What the detector offers. Raises ValueError for a name that is none, WeightsError for files that do not serve."""
    options = TorchvisionOptions.parse(name)
    return _spec(options, _resizer(_built(options.network, 2)))


def load(name: str, device: torch.device) -> Detector:
    """The detector of that name on that device. Raises as :func:`describe` does."""
    options = TorchvisionOptions.parse(name)
    labels = _labels(options)
    network = _built(options.network, len(labels) + 1)
    path = options.weights or _own_weights(options.network)
    load_strictly(network, _with_counters(network, read_state_dict(path)), str(path))
    return TorchvisionDetector(_spec(options, _resizer(network)), network, device)


@dataclass(frozen=True)
class Resizer:
    """How a network wants its pictures: ``fixed`` pixels a side, whatever the proportions, or the shorter side at
    ``shorter`` as long as the longer one stays within ``longer``.
    """

    shorter: int
    longer: int
    fixed: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        """Torchvision's own, then smaller ones where proportions are kept."""
        return (self.longer,) if self.fixed else (self.longer, self.longer * 3 // 4, self.longer // 2)

    def place(self, width: int, height: int, size: int) -> Letterbox:
        """Where a picture lies in an input of ``size``: it begins at the corner."""
        if self.fixed:
            return Letterbox(width, height, size, size, size, 0, 0)
        scale = min(size * self.shorter / self.longer / min(width, height), size / max(width, height))
        across, down = max(1, int(width * scale)), max(1, int(height * scale))
        return Letterbox(width, height, size, across, down, 0, 0)


class TorchvisionDetector:
    """Takes the network over. Pictures are resized in :meth:`prepare`, so that the network does not do it again."""

    def __init__(self, spec: ModelSpec, network: nn.Module, device: torch.device) -> None:
        self.spec = spec
        self.device = device
        self.resizer = _resizer(network)
        transform: Any = network.transform
        transform.resize = _as_it_is
        self.network = network.eval().requires_grad_(False).to(device)

    def prepare(self, image: Tensor, size: int) -> Prepared:
        """See :meth:`Detector.prepare <models.detector.Detector.prepare>`."""
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"an image is (3, H, W) uint8, got {tuple(image.shape)} {image.dtype}")
        letterbox = self.resizer.place(image.shape[2], image.shape[1], self.spec.check_size(size))
        shape = (letterbox.inner_height, letterbox.inner_width)
        if shape == tuple(image.shape[1:]):
            return Prepared(image, letterbox)
        return Prepared(functional.interpolate(image[None], shape, mode="bilinear", align_corners=False)[0], letterbox)

    def warm(self, size: int, batch_sizes: Sequence[int]) -> None:
        """Runs each batch size twice on grey."""
        grey = self.prepare(torch.full((3, size, size), 114, dtype=torch.uint8), size)
        for batch_size in batch_sizes:
            for _ in range(2):
                self.detect([grey] * batch_size, [DetectOptions()] * batch_size)

    @torch.inference_mode()
    def detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        """See :meth:`Detector.detect <models.detector.Detector.detect>`; pictures may differ in shape."""
        if len(batch) != len(options):
            raise ValueError(f"{len(batch)} images came with {len(options)} options")
        if not batch:
            return []
        inputs = [image.pixels.to(self.device).float().div_(255) for image in batch]
        answers: list[dict[str, Tensor]] = self.network(inputs)
        rows = zip(answers, batch, options, strict=True)
        return [self._selected(answer, image.letterbox, option) for answer, image, option in rows]

    def _selected(self, answer: dict[str, Tensor], letterbox: Letterbox, options: DetectOptions) -> Detections:
        """One row of scores a box: zero but for its class. Label 0 is the background, which is never told."""
        thing = answer["labels"] > 0
        boxes, best, labels = (answer[key][thing].cpu() for key in ("boxes", "scores", "labels"))
        scores = torch.zeros(len(best), len(self.spec.labels))
        scores[torch.arange(len(best)), labels - 1] = best
        return select(boxes, scores, letterbox, options)


def _as_it_is(image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
    return image, target


def _built(network: str, classes: int) -> nn.Module:
    built: nn.Module = torchvision.models.get_model(network, weights=None, weights_backbone=None, num_classes=classes)
    if network in WITHOUT_EPS:
        for module in built.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return built


def _resizer(network: nn.Module) -> Resizer:
    transform: Any = network.transform
    if transform.fixed_size is not None:
        return Resizer(transform.fixed_size[0], transform.fixed_size[0], fixed=True)
    return Resizer(transform.min_size[-1], transform.max_size, fixed=False)


def _spec(options: TorchvisionOptions, resizer: Resizer) -> ModelSpec:
    version = sha256_of(options.weights)[:8] if options.weights else _default_weights(options.network).name
    return ModelSpec(
        options.network,
        version,
        _labels(options),
        resizer.sizes,
        stride=1,
        description=f"torchvision's {options.network}",
    )


def _labels(options: TorchvisionOptions) -> tuple[str, ...]:
    """Without the background, which is torchvision's class 0."""
    if options.labels is None:
        categories: list[str] = _default_weights(options.network).meta["categories"]
        return tuple(categories[1:])
    try:
        with options.labels.open("rb") as file:
            text = file.read(LABELS_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{options.labels}: no text of labels: {error}") from error
    labels = tuple(filter(None, (line.strip() for line in text.splitlines())))
    if not 1 <= len(labels) <= LABELS_MAX:
        raise WeightsError(f"{options.labels}: holds {len(labels)} labels; 1 to {LABELS_MAX} are allowed")
    return labels


def _default_weights(network: str) -> Any:
    return torchvision.models.get_model_weights(network).DEFAULT


def _own_weights(network: str) -> Path:
    """The file of torchvision's own weights in torch's cache, downloaded and compared with its hash where it is not."""
    url: str = _default_weights(network).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.is_file():
        return path
    said = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=said.group(1) if said else None, progress=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"torchvision/{network}: its weights are not in {path.parent} and cannot be downloaded ({error}); "
            f"put {path.name} there, or name a state dict of yours as torchvision/{network}:weights=PATH"
        ) from error
    return path


def _with_counters(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Frozen norms, as torchvision trains with, do not count their batches; ours would, and never use it."""
    counters = (name for name in network.state_dict() if name.endswith(".num_batches_tracked"))
    return {**{name: torch.tensor(0) for name in counters}, **state}
