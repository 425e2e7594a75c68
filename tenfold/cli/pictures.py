"""What a person names on a command line, as the pictures to send: files, folders, globs, `-` for standard input."""

import glob
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer

from tenfold.client import Upload
from tenfold.client.uploads import PICTURE_SUFFIXES, in_folder

# One body stays well under the service's limit of 256 MiB, one job under 10 000 images.
JOB_BYTES_MAX: Final = 200 * 2**20
JOB_IMAGES_MAX: Final = 10_000


def gather(named: Sequence[str]) -> list[Upload]:
    """All pictures named, in order. Exits with status 2 (usage) where one is not there or there is none at all."""
    found = [upload for name in named for upload in _expand(name)]
    if not found:
        raise typer.BadParameter(
            f"no pictures in {', '.join(named)} (looked for {', '.join(sorted(PICTURE_SUFFIXES))})"
        )
    return found


def in_jobs(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    """`uploads` in order, in as few parts as the service's limits on one job allow."""
    part: list[Upload] = []
    part_bytes = 0
    for upload in uploads:
        if part and (part_bytes + upload.size > JOB_BYTES_MAX or len(part) == JOB_IMAGES_MAX):
            yield part
            part, part_bytes = [], 0
        part.append(upload)
        part_bytes += upload.size
    if part:
        yield part


def _expand(name: str) -> Iterator[Upload]:
    if name == "-":
        yield Upload("-", sys.stdin.buffer.read())
        return
    path = Path(name)
    if path.is_dir():
        yield from in_folder(path)
    elif path.is_file():
        yield Upload.of(path)
    elif matches := sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - patterns may be absolute
        for match in matches:
            yield from _expand(match)
    else:
        raise typer.BadParameter(f"{name} is no file, folder or pattern that matches any")
