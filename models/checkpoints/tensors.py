"""From a tensor's record to the tensor, within the bounds of its storage."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from models.checkpoints.archive import Archive
from models.checkpoints.records import StorageRecord, TensorRecord
from models.weights.errors import WeightsError


class TensorReader:
    """Reads an archive's tensors. Tensors that share a storage share its memory here too, but not without end: all
    together have at most the numbers that the file has bytes for, so that a small file makes no large network.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._storages: dict[str, tuple[StorageRecord, Tensor]] = {}
        self._left = archive.size

    def read(self, record: TensorRecord) -> Tensor:
        """The tensor on the CPU. Raises WeightsError where it claims more numbers than are there."""
        count = prod(record.shape)
        if not count:
            return torch.empty(record.shape, dtype=getattr(torch, record.storage.dtype))
        reach = record.offset + sum(
            (size - 1) * stride for size, stride in zip(record.shape, record.strides, strict=True)
        )
        if count > record.storage.numel or reach >= record.storage.numel:
            raise WeightsError(
                f"a tensor of shape {record.shape} does not fit into its storage of {record.storage.numel} numbers"
            )
        self._spend(count * getattr(torch, record.storage.dtype).itemsize)
        return self._storage(record.storage).as_strided(record.shape, record.strides, record.offset)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WeightsError("its tensors have more numbers than the file: they share their storages")

    def _storage(self, record: StorageRecord) -> Tensor:
        known, tensor = self._storages.get(record.key, (None, None))
        if tensor is None:
            dtype: torch.dtype = getattr(torch, record.dtype)
            data = self._archive.storage(record.key, record.numel * dtype.itemsize)
            # A copy that may be written to, which torch asks for.
            tensor = torch.frombuffer(bytearray(data), dtype=dtype)
            self._storages[record.key] = (record, tensor)
        elif known is None or (known.dtype, known.numel) != (record.dtype, record.numel):
            raise WeightsError(f"storage {record.key[:40]!r} is described in two ways")
        return tensor
