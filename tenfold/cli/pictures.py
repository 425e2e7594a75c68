"""What a person names on a command line, as the pictures to send: files, folders, globs, `-` for standard input."""

import glob
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer

from tenfold.client import Upload
from tenfold.client.uploads import PICTURE_SUFFIXES, in_folder

JOB_IMAGES_MAX: Final = 10_000
"""What the service takes in one job, in however many parts it comes."""


def gather(named: Sequence[str]) -> list[Upload]:
    """All pictures named, in order. Exits with status 2 (usage) where one is not there or there is none at all."""
    found = [upload for name in named for upload in _expand(name)]
    if not found:
        raise typer.BadParameter(
            f"no pictures in {', '.join(named)} (looked for {', '.join(sorted(PICTURE_SUFFIXES))})"
        )
    return found


def in_jobs(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    """`uploads` in order, in as few jobs as the service's limit on one allows."""
    for start in range(0, len(uploads), JOB_IMAGES_MAX):
        yield list(uploads[start : start + JOB_IMAGES_MAX])


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
