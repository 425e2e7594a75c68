"""Where the model computes, and with how many threads."""

from __future__ import annotations

import os

import torch

from tenfold.contract.errors import SettingsError


def resolve_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` means on this machine.

    Raises:
        SettingsError: it is a CUDA device that this machine does not have.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    index = device.index or 0
    if index >= count:
        has = f"has {count} CUDA devices" if count else "has no CUDA device"
        raise SettingsError(f"TENFOLD_DEVICE is {name}, but this machine {has}; allowed here: auto, cpu")
    return torch.device("cuda", index)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compute_threads(asked: int | None, device: torch.device) -> int:
    """Threads for torch in the main thread: what was asked for, else every core on a CPU, and one beside a GPU."""
    if asked is not None:
        return asked
    return 1 if device.type == "cuda" else usable_cores()


def decode_threads(cores: int) -> int:
    """Threads that decode images: decoders leave the interpreter's lock, and more than four outrun any model."""
    return max(1, min(4, cores))
