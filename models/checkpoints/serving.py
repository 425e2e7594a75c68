"""A checkpoint as a model: what it offers, its network, and the weights file that it can be turned into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from models.checkpoints.checkpoint import Checkpoint, read_checkpoint
from models.detector import SIZE_MAX, SIZES_MAX, Detector, ModelSpec
from models.families.letterbox import fit
from models.families.network import build
from models.families.weights_file import ARCHITECTURE
from models.weights.container import WeightsMetadata, sha256_of, write_weights
from models.weights.errors import WeightsError
from models.yolo.serving import YoloDetector

SUFFIX = ".pt"


def describe(path: Path) -> ModelSpec:
    """What the checkpoint offers. Raises WeightsError."""
    return _spec(path, read_checkpoint(path))


def load(path: Path, device: torch.device) -> Detector:
    """The checkpoint's detector on that device. Raises WeightsError."""
    checkpoint = read_checkpoint(path)
    return YoloDetector(_spec(path, checkpoint), build(checkpoint.config, checkpoint.state, path), device, fit)


def write_import(path: Path, out: Path, sizes: Sequence[int] = ()) -> WeightsMetadata:
    """Turns a checkpoint into a weights file that holds numbers only; gives its metadata.

    ``sizes`` are the input sizes to serve, the default first; without any, the training's and the usual ones. Raises
    WeightsError, also where its tensors are not those of its architecture, and ValueError for sizes it cannot have.
    """
    checkpoint = read_checkpoint(path)
    served = check_sizes(sizes, checkpoint.stride) if sizes else checkpoint.sizes
    build(checkpoint.config, checkpoint.state, path)
    metadata = WeightsMetadata(
        ARCHITECTURE,
        checkpoint.config.to_json(),
        checkpoint.labels,
        served,
        checkpoint.stride,
        f"{checkpoint.config.title}, imported from {path.name} (SHA-256 {sha256_of(path)})",
    )
    partial = out.with_name(f"{out.name}.partial")
    try:
        write_weights(partial, checkpoint.state, metadata)
        partial.replace(out)
    except OSError as error:
        raise WeightsError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return metadata


def check_sizes(sizes: Sequence[int], stride: int) -> tuple[int, ...]:
    """The sizes without repetitions. Each size is a lane of its own, with queues of its own, so that there are few.

    Raises ValueError that says what is allowed.
    """
    unique = tuple(dict.fromkeys(sizes))
    if not 1 <= len(unique) <= SIZES_MAX or not all(0 < size <= SIZE_MAX and size % stride == 0 for size in unique):
        raise ValueError(
            f"sizes must be 1 to {SIZES_MAX} multiples of {stride} up to {SIZE_MAX}, got {', '.join(map(str, sizes))}"
        )
    return unique


def _spec(path: Path, checkpoint: Checkpoint) -> ModelSpec:
    return ModelSpec(
        path.stem,
        sha256_of(path)[:8],
        checkpoint.labels,
        checkpoint.sizes,
        checkpoint.stride,
        description=f"{checkpoint.config.title} from {path.name}",
    )
