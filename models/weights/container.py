"""Tenfold's weights file: safetensors, with all that is needed to serve it in the header.

The header's metadata holds ``format`` ("tenfold"), ``architecture`` and ``config`` (JSON) of the network, ``labels``
and ``sizes`` (JSON lists), ``stride`` and ``description``. safetensors holds numbers only, so that reading one runs
nothing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from models.weights.errors import WeightsError

FORMAT = "tenfold"
HEADER_BYTES_MAX = 4 * 1024 * 1024
LABELS_MAX = 10_000
HEADER_SIZES_MAX = 64
"""Input sizes that a header may list; how many a model may serve is less (``models.detector.SIZES_MAX``)."""


@dataclass(frozen=True)
class WeightsMetadata:
    """What a weights file says of itself; ``config`` is the architecture's own JSON."""

    architecture: str
    config: str
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    stride: int
    description: str = ""

    def to_header(self) -> dict[str, str]:
        """Strings only, as safetensors wants them."""
        return {
            "format": FORMAT,
            "architecture": self.architecture,
            "config": self.config,
            "labels": json.dumps(self.labels),
            "sizes": json.dumps(self.sizes),
            "stride": str(self.stride),
            "description": self.description,
        }

    @classmethod
    def from_header(cls, header: Mapping[str, str]) -> WeightsMetadata:
        """Raises WeightsError for a header that is not ours or not whole."""
        if header.get("format") != FORMAT:
            raise WeightsError(f"the header does not say format {FORMAT!r}; import foreign weights first")
        try:
            labels, sizes = json.loads(header["labels"]), json.loads(header["sizes"])
            _check_list("labels", labels, str, LABELS_MAX)
            _check_list("sizes", sizes, int, HEADER_SIZES_MAX)
            stride = int(header["stride"])
            return cls(
                header["architecture"], header["config"], tuple(labels), tuple(sizes), stride, header["description"]
            )
        except KeyError as error:
            raise WeightsError(f"the header lacks {error.args[0]!r}") from error
        except json.JSONDecodeError as error:
            raise WeightsError(f"labels and sizes in the header must be JSON lists: {error}") from error
        except ValueError as error:
            raise WeightsError(str(error)) from error


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: WeightsMetadata) -> None:
    """Writes a state dict with its metadata."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    path.write_bytes(to_bytes(tensors, metadata.to_header()))


def read_metadata(path: Path) -> WeightsMetadata:
    """What the file says of itself, from its first bytes: no tensor is read. Raises WeightsError."""
    try:
        return WeightsMetadata.from_header(_header(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, on the CPU. Raises WeightsError."""
    try:
        # Not mapped: who writes over the file would change, or crash, a model that serves.
        return from_bytes(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no whole safetensors file: {error}") from error


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex. Raises WeightsError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error


def _header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file: eight bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_BYTES_MAX + 1
            if length > HEADER_BYTES_MAX:
                raise WeightsError("no safetensors file: its header's length makes no sense")
            header: Any = json.loads(file.read(length))
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError("no safetensors file: its header is not JSON") from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError("no safetensors file: its metadata are not strings")
    return metadata


def _check_list(name: str, value: object, kind: type, most: int) -> None:
    if not isinstance(value, list) or not 1 <= len(value) <= most or not all(type(item) is kind for item in value):
        raise WeightsError(f"{name} in the header must be a list of 1 to {most} of {kind.__name__}")
