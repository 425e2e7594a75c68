"""What a person names on a command line, as the pictures to send: files, folders, globs, `-` for standard input."""

import glob
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer

from tenfold.cli import terminal
from tenfold.client import Upload
from tenfold.client.uploads import OTHER_PICTURE_SUFFIXES, PICTURE_SUFFIXES, in_folder

ARCHIVE_SUFFIXES: Final = frozenset({".zip", ".tar", ".gz", ".tgz"})

JOB_IMAGES_MAX: Final = 10_000
"""What the service takes in one job, in however many parts it comes."""


def gather(named: Sequence[str]) -> list[Upload]:
    """All pictures named, in order. Exits with status 2 (usage) where one is not there or there is none at all.

    Pictures that a folder has in formats that the service does not read are left out, and a note says so.
    """
    found = [upload for name in named for upload in _expand(name)]
    unread = _unread_in(named)
    if not found:
        raise typer.BadParameter(
            f"no pictures in {', '.join(named)} (looked for {', '.join(sorted(PICTURE_SUFFIXES))}"
            f"{f'; there is {unread}: convert them first' if unread else ''})"
        )
    if unread:
        terminal.note(f"left out {unread}: these formats are not read; convert them first")
    return found


def refuse_archives(uploads: Sequence[Upload]) -> None:
    """Exit with status 2 (usage) where one is an archive: a command that knows each picture cannot look into it."""
    for upload in uploads:
        if Path(upload.name).suffix.lower() in ARCHIVE_SUFFIXES:
            raise typer.BadParameter(
                f"{upload.name} is an archive: `tenfold jobs submit` takes it as one job, and then "
                "`tenfold jobs watch`, `results` and `images`"
            )


def in_jobs(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    """`uploads` in order, in as few jobs as the service's limit on one allows."""
    for start in range(0, len(uploads), JOB_IMAGES_MAX):
        yield list(uploads[start : start + JOB_IMAGES_MAX])


def _unread_in(named: Sequence[str]) -> str:
    """Such as `3 .heic, 1 .gif`; empty where there are none."""
    folders = [Path(name) for name in named if Path(name).is_dir()]
    suffixes = Counter(path.suffix.lower() for folder in folders for path in folder.rglob("*"))
    there = {suffix: number for suffix, number in suffixes.most_common() if suffix in OTHER_PICTURE_SUFFIXES}
    return ", ".join(f"{number} {suffix}" for suffix, number in there.items())


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
