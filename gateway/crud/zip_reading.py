"""Zip archives from a file that can seek: their directory stands at the end (PKWARE's APPNOTE 6.3.10, section 4)."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import BinaryIO, Final

from gateway.crud.archives import ArchiveEvent, Entry, Tally, is_skipped, malformed, unsafe
from gateway.crud.pulling import PIECE_BYTES_MAX
from gateway.crud.threads import in_thread

_END: Final = struct.Struct("<4s4H2LH")
_END_MAGIC: Final = b"PK\x05\x06"
_LOCATOR_MAGIC: Final = b"PK\x06\x07"
_LOCATOR_BYTES: Final = 20
_ENTRY_MAGIC: Final = b"PK\x01\x02"
_TAIL_BYTES: Final = _LOCATOR_BYTES + _END.size + 0xFFFF
_DIRECTORY_BYTES_AN_ENTRY: Final = 512
# Only methods whose output Python's reader gives in bounded pieces.
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
_EVENTS_A_TURN: Final = 64
# What Python's reader raises on files that are none; found by mutation.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


async def read_zip(file: BinaryIO, tally: Tally) -> AsyncIterator[ArchiveEvent]:
    """The files of a zip archive, with their bytes; read in a thread, some at a time.

    Raises:
        InvalidRequest: it is damaged (``malformed_archive``), or holds what is not taken (``unsafe_archive``).
        TooLarge: too many entries, too many bytes, or it inflates too much.
    """
    events = _events(file, tally)
    while turn := await in_thread(_turn, events):
        for event in turn:
            yield event


def _turn(events: Iterator[ArchiveEvent]) -> list[ArchiveEvent]:
    """The next few events: until a piece of some size, so that little is held and small files share a trip."""
    turn: list[ArchiveEvent] = []
    size = 0
    for event in islice(events, _EVENTS_A_TURN):
        turn.append(event)
        size += len(event) if isinstance(event, bytes) else 0
        if size >= PIECE_BYTES_MAX:
            break
    return turn


def _events(file: BinaryIO, tally: Tally) -> Iterator[ArchiveEvent]:
    try:
        _check_directory(file, tally)
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                tally.count_entry()
                if not _is_wanted(info):
                    continue
                yield Entry(info.filename)
                with archive.open(info) as contents:
                    while piece := contents.read(PIECE_BYTES_MAX):
                        tally.count_bytes(len(piece))
                        yield piece
    except _DAMAGED as error:
        raise malformed(str(error) or type(error).__name__) from None


def _check_directory(file: BinaryIO, tally: Tally) -> None:
    """Look at the directory's size before the library makes an object of each entry in it."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        raise malformed("it has no directory at its end; it may have been cut")
    if tail[max(0, at - _LOCATOR_BYTES) : at].startswith(_LOCATOR_MAGIC):
        raise unsafe("it is a Zip64 archive, made for sizes that are not taken anyway")
    directory_bytes = _END.unpack_from(tail, at)[5]
    bound = _DIRECTORY_BYTES_AN_ENTRY * tally.entries_max
    if directory_bytes > start + at:
        raise malformed("its directory is larger than itself")
    if directory_bytes > bound:
        raise unsafe(f"its directory has more than {bound} bytes")
    file.seek(start + at - directory_bytes)
    tally.check_entries(file.read(directory_bytes).count(_ENTRY_MAGIC))


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    skipped = is_skipped(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise unsafe(f"{info.filename[:100]!r} is a link or a device")
    if skipped or info.filename.endswith("/"):  # `is_dir` fails on an empty name
        return False
    if info.flag_bits & _ENCRYPTED:
        raise unsafe(f"{info.filename[:100]!r} is encrypted")
    if info.compress_type not in _METHODS:
        raise unsafe(f"{info.filename[:100]!r} is packed by method {info.compress_type}; stored and deflated are taken")
    return True
