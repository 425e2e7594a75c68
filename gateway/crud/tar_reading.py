"""Tar archives, plain or through gzip, read as they arrive (POSIX.1-2001 ustar and pax; GNU's long names)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from tarfile import (
    AREGTYPE,
    CONTTYPE,
    DIRTYPE,
    GNUTYPE_LONGLINK,
    GNUTYPE_LONGNAME,
    REGTYPE,
    XGLTYPE,
    XHDTYPE,
    HeaderError,
    TarInfo,
)
from typing import Final

from gateway.crud.archives import HEAD_BYTES, ArchiveEvent, Entry, Tally, is_skipped, malformed, unsafe
from gateway.crud.pulling import PIECE_BYTES_MAX, Pull

BLOCK: Final = 512
EXTENSION_BYTES_MAX: Final = 64 * 1024
"""Of a long name, or of pax records."""

_FILES: Final = frozenset({REGTYPE, AREGTYPE, CONTTYPE})
_EXTENSIONS: Final = frozenset({XHDTYPE, XGLTYPE, GNUTYPE_LONGNAME, GNUTYPE_LONGLINK})
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


async def inflate(packed: Pull, tally: Tally) -> AsyncIterator[bytes]:
    """What a gzip stream holds, of one member or several, in pieces of at most 256 KiB.

    Raises:
        InvalidRequest: it is damaged or ends early (``malformed_archive``).
    """
    member = None
    while chunk := await packed.next_piece(PIECE_BYTES_MAX):
        tally.packed += len(chunk)
        more = True
        while more:
            if member is None:
                chunk = chunk.lstrip(b"\0")  # padding between and behind members
                if not chunk:
                    break
                member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                piece = member.decompress(chunk, PIECE_BYTES_MAX)
            except zlib.error as error:
                raise malformed(str(error)) from None
            if piece:
                yield piece
                await asyncio.sleep(0)  # others have their turn between two pieces of a long stream
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            # A full piece may have left more in the inflater although it took in everything.
            more = bool(chunk) or len(piece) == PIECE_BYTES_MAX
            if member.eof:
                member = None
    if member is not None:
        raise malformed("its gzip stream ends early")


async def count(pieces: AsyncIterator[bytes], tally: Tally, *, packed: bool) -> AsyncIterator[bytes]:
    """``pieces``, counted; ``packed`` where they are themselves what was sent. Raises TooLarge."""
    async for piece in pieces:
        if packed:
            tally.packed += len(piece)
        tally.count_bytes(len(piece))
        yield piece


async def read_tar(pull: Pull, tally: Tally) -> AsyncIterator[ArchiveEvent]:
    """The files of a tar archive, with their bytes.

    Raises:
        InvalidRequest: it is damaged (``malformed_archive``), or holds what is not taken (``unsafe_archive``).
        TooLarge: too many entries.
    """
    extended: dict[str, str] = {}
    while (header := await _next_header(pull)) is not None:
        tally.count_entry()
        if header.type in _EXTENSIONS:
            extended |= await _read_extension(pull, header)
            continue
        name, size = extended.get("path", header.name), _size_of(header, extended)
        if any(key.startswith("GNU.sparse") for key in extended):
            raise unsafe(f"{name[:100]!r} is a sparse file")
        extended = {}
        skipped = is_skipped(name)
        if header.type not in _FILES | {DIRTYPE}:
            raise unsafe(f"{name[:100]!r} is a link, a device or something else that is no plain file")
        if header.type == DIRTYPE or skipped:
            await _skip(pull, size if header.type in _FILES else 0)
            continue
        yield Entry(name)
        async for piece in _contents(pull, size):
            yield piece
    async for _ in pull.pieces():  # what fills the last record; to its end, so that a checksum is looked at
        pass


async def _next_header(pull: Pull) -> TarInfo | None:
    block = await pull.read(BLOCK)
    if len(block) < BLOCK:
        raise malformed("it ends early")
    if not block.strip(b"\0"):
        return None
    try:
        return TarInfo.frombuf(block, "utf-8", "replace")
    except (HeaderError, ValueError):
        raise malformed("a tar header is damaged") from None


def _size_of(header: TarInfo, extended: dict[str, str]) -> int:
    text = extended.get("size", str(header.size))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise malformed("a tar header gives no sane size")
    return int(text)


async def _read_extension(pull: Pull, header: TarInfo) -> dict[str, str]:
    size = _size_of(header, {})
    if size > EXTENSION_BYTES_MAX:
        raise malformed(f"a tar header's extension has more than {EXTENSION_BYTES_MAX} bytes")
    data = b"".join([piece async for piece in _contents(pull, size)])
    if header.type == GNUTYPE_LONGNAME:
        return {"path": data.rstrip(b"\0").decode("utf-8", "replace")}
    return _pax_records(data) if header.type == XHDTYPE else {}


def _pax_records(data: bytes) -> dict[str, str]:
    """Lines of a length, a blank, key=value; the length counts its whole line (POSIX.1-2001, pax, extended header)."""
    records = {}
    while data:
        length, _, _ = data.partition(b" ")
        end = int(length) if length.isdigit() and len(length) < 8 else 0
        key, equals, value = data[len(length) + 1 : end].partition(b"=")
        if not equals or end > len(data) or not value.endswith(b"\n"):
            raise malformed("a tar header's extension is damaged")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "replace")
        data = data[end:]
    return records


async def _contents(pull: Pull, size: int) -> AsyncIterator[bytes]:
    """The next ``size`` bytes, and past what fills their last block."""
    if size:
        head = await pull.read(min(HEAD_BYTES, size))
        yield head
        left = size - len(head)
        while left:
            piece = await pull.next_piece(left)
            if not piece:
                raise malformed("it ends early")
            left -= len(piece)
            yield piece
    await pull.read(-size % BLOCK)


async def _skip(pull: Pull, size: int) -> None:
    async for _ in _contents(pull, size):
        pass
