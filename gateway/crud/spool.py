"""Files on disk for archives that need seeking: unnamed, bounded in sum, gone with their request."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from gateway.crud.pulling import Pull
from gateway.crud.threads import in_thread
from tenfold.contract.errors import Unavailable

RETRY_S: Final = 10.0


@dataclass(slots=True)
class Spool:
    """The folder that one process spools to.

    Attributes:
        bytes_max: what all its files together may hold. By bytes and not by number, so that who sends slowly takes
            nobody's place.
    """

    folder: Path
    bytes_max: int
    used: int = field(default=0, init=False)

    @asynccontextmanager
    async def holding(self, pull: Pull) -> AsyncIterator[tuple[BinaryIO, int]]:
        """All of ``pull`` as a file that can seek, and its size.

        Raises:
            Unavailable: the folder is full, or cannot be written (``spool_full``).
        """
        size = 0
        try:
            with self._open() as file:
                async for piece in pull.pieces():
                    size += len(piece)
                    self.used += len(piece)
                    if self.used > self.bytes_max:
                        raise _full("other archives fill it")
                    await in_thread(_write, file, piece)
                yield file, size
        finally:
            self.used -= size

    def _open(self) -> BinaryIO:
        try:
            return cast("BinaryIO", tempfile.TemporaryFile(dir=self.folder, buffering=0))
        except OSError as error:
            raise _full(error.strerror or str(error)) from error


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        while piece:
            piece = piece[file.write(piece) :]
    except OSError as error:
        raise _full(error.strerror or str(error)) from error


def _full(why: str) -> Unavailable:
    return Unavailable(
        f"there is no room to unpack the archive ({why}); try again, or send a .tar",
        code="spool_full",
        retry_after_s=RETRY_S,
    )
