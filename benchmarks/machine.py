"""What the figures were taken on: a ratio travels, a time without its machine does not."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from inference_worker.devices import usable_cores

PACKAGES = ("torch", "torchvision", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "rq", "redis", "pillow")


@dataclass(frozen=True)
class Machine:
    """The machine and the versions; ``gpu`` is "" where torch sees none."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    gpu: str
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Machine:
        """This one."""
        return cls(
            processor=_processor(),
            cores=usable_cores(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            gpu=_gpu(),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
        )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
