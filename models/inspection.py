"""What a weights file holds, told in the words of ``tenfold models inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.checkpoints.checkpoint import read_checkpoint
from models.checkpoints.serving import SUFFIX
from models.families import weights_file as families
from models.families.network import build, parameters_of
from models.registry import describe
from models.weights.container import read_metadata, read_tensors, sha256_of


def inspect(path: Path) -> dict[str, Any]:
    """Family, size, classes, input sizes, stride, parameters and SHA-256. Raises WeightsError and ValueError.

    A file is told only where it would serve: its tensors are compared with its architecture.
    """
    return _checkpoint(path) if path.suffix == SUFFIX else _weights_file(path)


def _checkpoint(path: Path) -> dict[str, Any]:
    checkpoint = read_checkpoint(path)
    network = build(checkpoint.config, checkpoint.state, path)
    return {
        "file": str(path),
        "family": checkpoint.config.family,
        "size": checkpoint.config.size,
        "model": checkpoint.config.title,
        "parameters": parameters_of(network),
        "input_sizes": list(checkpoint.sizes),
        "stride": checkpoint.stride,
        "fused": checkpoint.config.fused,
        "classes": checkpoint.config.classes,
        "labels": list(checkpoint.labels),
        "sha256": sha256_of(path),
    }


def _weights_file(path: Path) -> dict[str, Any]:
    spec, metadata = describe(str(path)), read_metadata(path)
    report: dict[str, Any] = {"file": str(path), "family": metadata.architecture}
    if metadata.architecture == families.ARCHITECTURE:
        network = families.read_network(path, metadata)
        config = network.config
        report |= {"family": config.family, "size": config.size, "model": config.title}
        report |= {"parameters": parameters_of(network), "fused": config.fused}
    else:
        tensors = read_tensors(path)
        report |= {"numbers": sum(tensor.numel() for tensor in tensors.values())}
    return report | {
        "input_sizes": list(spec.sizes),
        "stride": spec.stride,
        "classes": len(spec.labels),
        "labels": list(spec.labels),
        "description": spec.description,
        "sha256": sha256_of(path),
    }
