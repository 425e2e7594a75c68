"""What a JPEG's header says, read without decoding: enough to know whether the fast decoder is right for it."""

from __future__ import annotations

from dataclasses import dataclass

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME_STARTS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_START = 0xDA


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """Width and height in pixels before any EXIF orientation; ``components``: 1 for grey, 3 for colour, 4 for CMYK."""

    width: int
    height: int
    components: int
    bits: int


def read_header(raw: bytes) -> JpegHeader | None:
    """The header of the one frame in ``raw``, or None where anything about it is out of the ordinary.

    Walks the segments as ITU T.81, annex B, lays them out. O(number of segments).
    """
    at, found = 2, None
    if raw[:2] != b"\xff\xd8":
        return None
    while at + 4 <= len(raw):
        if raw[at] != 0xFF:
            return None
        marker = raw[at + 1]
        if marker == _SCAN_START:
            return found
        if marker in _STANDALONE or marker == 0xFF:
            return None
        length = int.from_bytes(raw[at + 2 : at + 4], "big")
        if marker in _FRAME_STARTS:
            if found is not None or length < 8 or at + 10 > len(raw):
                return None
            found = _frame(raw[at + 4 : at + 10])
        at += 2 + length
    return None


def _frame(body: bytes) -> JpegHeader:
    return JpegHeader(
        width=int.from_bytes(body[3:5], "big"),
        height=int.from_bytes(body[1:3], "big"),
        components=body[5],
        bits=body[0],
    )
