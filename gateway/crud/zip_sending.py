"""Zips that are written while they are sent."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from gateway.crud.threads import in_thread

PIECE_BYTES: Final = 256 * 1024
STEM_CHARACTERS_MAX: Final = 100


class Outbox(io.RawIOBase):
    """Where a zip is written while it is sent: what was taken is gone.

    An entry can be gone back to as long as nothing of it was taken. So its size and checksum stand before its bytes,
    as readers need them that unpack while they receive.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._taken = 0
        self._at = 0

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, as far back as nothing was taken."""
        return True

    def tell(self) -> int:
        """The place in the whole zip at which the next byte is written."""
        return self._taken + self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the whole zip. Raises ValueError for what is taken already, or not there yet."""
        at = offset - self._taken
        if whence != os.SEEK_SET or not 0 <= at <= len(self._data):
            raise ValueError(f"{offset} is not in what is still here")
        self._at = at
        return offset

    def write(self, data: Any) -> int:
        """Take bytes in at the current place."""
        self._data[self._at : self._at + len(data)] = data
        self._at += len(data)
        return len(data)

    def pieces(self) -> Iterator[bytes]:
        """Everything that is here, in pieces of at most 256 KiB, and forget it."""
        data, self._data = self._data, bytearray()
        self._taken += len(data)
        self._at = 0
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            yield bytes(view[start : start + PIECE_BYTES])


async def add_entry(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Write an entry in a thread, for the checksum over what may be tens of megabytes.

    Also where it is cancelled the entry is whole afterwards: a zip does not close while one is being written.
    """
    await in_thread(archive.writestr, name, data)


def safe_stem(name: str) -> str:
    """What of a sender's name may be in a file's name: no path, no suffix, nothing that a file system minds."""
    stem = PurePosixPath(PurePosixPath(name.replace("\\", "/")).name).stem
    safe = "".join(char if char.isalnum() or char in "._- " else "_" for char in stem).strip(". ")
    return safe[:STEM_CHARACTERS_MAX]
