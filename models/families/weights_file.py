"""A family's weights file."""

from __future__ import annotations

from pathlib import Path

from models.families.config import FamilyConfig
from models.families.network import FamilyNetwork, build
from models.weights.container import WeightsMetadata, read_tensors
from models.weights.errors import WeightsError

ARCHITECTURE = "yolo-family"


def read_config(path: Path, metadata: WeightsMetadata) -> FamilyConfig:
    """The architecture that a weights file's header tells. Raises WeightsError where header and architecture differ."""
    try:
        config = FamilyConfig.from_json(metadata.config)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    if config.classes != len(metadata.labels):
        raise WeightsError(f"{path}: {len(metadata.labels)} labels for {config.classes} classes")
    return config


def read_network(path: Path, metadata: WeightsMetadata) -> FamilyNetwork:
    """The network of a weights file, on the CPU. Raises WeightsError."""
    config = read_config(path, metadata)
    try:
        network = build(config, read_tensors(path), path)
    except WeightsError:
        raise
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    if network.stride != metadata.stride:
        raise WeightsError(f"{path}: stride {metadata.stride} is not the network's, {network.stride}")
    return network
