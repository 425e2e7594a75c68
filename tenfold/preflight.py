"""What can be known to be wrong before anything is started, said in a sentence instead of by a service that ends."""

import shutil
from pathlib import Path
from typing import Final

from tenfold.contract.errors import TenfoldError
from tenfold.settings import Settings

FREE_BYTES_MIN: Final = 64 * 2**20
"""A start, some jobs and their results. What more is needed grows with what is queued: docs/operations.md."""
_FILE_SUFFIXES: Final = frozenset({".safetensors", ".pt"})
_EXPORT: Final = "torchscript:"


class CannotStart(TenfoldError):
    """The system would not come up; the message says why and what to do."""


def require_model_files(settings: Settings) -> None:
    """Raise CannotStart where a model is named by a file that is not there."""
    for name in settings.model:
        path = Path(name.removeprefix(_EXPORT))
        is_file = name.startswith(_EXPORT) or path.suffix in _FILE_SUFFIXES
        if is_file and not path.is_file():
            raise CannotStart(f"there is no file {path.absolute()}, which --model names")


def require_room(data_dir: Path) -> int:
    """Bytes free where `data_dir` is or will be. Raises CannotStart where they are too few, or it can be no folder."""
    nearest = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise CannotStart(f"{nearest} is no folder: give another --data-dir")
    free = shutil.disk_usage(nearest).free
    if free < FREE_BYTES_MIN:
        raise CannotStart(
            f"{nearest} has {free / 2**20:.0f} MiB free, and Redis keeps everything there; make room for "
            f"{FREE_BYTES_MIN / 2**20:.0f} MiB at least, or give another --data-dir"
        )
    return free
