"""The pictures of a whole job, as one zip or laid out in a folder."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenfold.client import ClientError, Tenfold

MISSING_NAME: Final = "missing.txt"


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved where; ``missing`` has index, name and reason of each image that was not."""

    out: Path
    pictures: int
    missing: Sequence[Sequence[str]]


def save(client: Tenfold, job_id: str, out: Path) -> Saved:
    """Save a job's pictures: to ``out`` where it ends in ``.zip``, else into the folder ``out``.

    Raises ClientError where the service has none, OSError where nothing can be written.
    """
    if out.suffix.lower() == ".zip":
        client.save_pictures(job_id, out)
        return _look(out)
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{job_id}.images.zip"
    client.save_pictures(job_id, archive)
    try:
        return _unpack(archive, out)
    finally:
        archive.unlink()


def _look(archive: Path) -> Saved:
    with _opened(archive) as files:
        return Saved(archive, len(_pictures_in(files)), _missing_of(files))


def _unpack(archive: Path, folder: Path) -> Saved:
    with _opened(archive) as files:
        pictures = _pictures_in(files)
        for name in pictures:
            # Names of the service's own making are flat; another service might send anything.
            (folder / Path(name.replace("\\", "/")).name).write_bytes(files.read(name))
        return Saved(folder, len(pictures), _missing_of(files))


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise ClientError(f"what the service sent is no zip: {error}") from error


def _pictures_in(files: zipfile.ZipFile) -> list[str]:
    return [name for name in files.namelist() if name != MISSING_NAME and not name.endswith("/")]


def _missing_of(files: zipfile.ZipFile) -> list[list[str]]:
    if MISSING_NAME not in files.namelist():
        return []
    return [line.split("\t") for line in files.read(MISSING_NAME).decode().splitlines()]
