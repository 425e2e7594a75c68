"""A stream of bytes that is read by count, as file formats want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

PIECE_BYTES_MAX: Final = 256 * 1024


class Pull:
    """Bytes that arrive in whatever chunks, handed out as asked for. It holds one chunk and what was peeked at."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = bytearray()

    async def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end; they stay to be read."""
        await self._fill(count)
        return bytes(self._held[:count])

    async def read(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end."""
        await self._fill(count)
        return self._take(count)

    async def pieces(self) -> AsyncIterator[bytes]:
        """All that is left, in pieces of at most 256 KiB."""
        while piece := await self.next_piece(PIECE_BYTES_MAX):
            yield piece

    async def next_piece(self, count_max: int) -> bytes:
        """What is there, at least one byte and at most ``count_max`` or 256 KiB; empty only at the end."""
        await self._fill(1)
        return self._take(min(count_max, PIECE_BYTES_MAX))

    async def _fill(self, count: int) -> None:
        while len(self._held) < count:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return
            self._held += chunk

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken
