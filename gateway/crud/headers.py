"""What an image's first bytes say: its format and its size in pixels, without decoding anything.

Read here and not by an imaging library, because only the bytes so far are there: a library cannot tell "not yet" from
"never", and some inflate metadata (a PNG's colour profile) on opening. The formats: JPEG (ITU-T T.81, annex B), PNG
(ISO/IEC 15948, 11.2.2), WebP (RFC 9649, section 2.5 to 2.7), BMP (the DIB headers of Windows and OS/2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tenfold.contract.errors import InvalidImage, RequestError, UnsupportedMedia

HEAD_BYTES_MAX: Final = 2**20
"""How far a header is looked for; beyond, the worker decides."""

MAGIC_BYTES: Final = 18
"""With so many bytes the format is certain."""

FORMATS: Final = "JPEG, PNG, WebP or BMP"


@dataclass(frozen=True, slots=True)
class Header:
    """Format (``jpeg``, ``png``, ``webp``, ``bmp``) and size in pixels, before any EXIF orientation."""

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


class _NotYet(Exception):
    """The header goes on beyond the bytes at hand."""


def read_header(head: bytes, *, complete: bool) -> Header | None:
    """The header in ``head``, the first bytes of a file; None where more of them are needed.

    Args:
        complete: whether ``head`` is the whole file, so that nothing more can come.

    Raises:
        InvalidImage: ``empty_image``, ``truncated_image`` or ``invalid_image``.
        UnsupportedMedia: the bytes are of none of the formats.
    """
    if complete and not head:
        raise InvalidImage("the file is empty (0 bytes)", code="empty_image")
    if len(head) < MAGIC_BYTES and not complete:
        return None
    name, reader = _format_of(head)
    try:
        header = reader(head)
    except _NotYet:
        if complete:
            raise InvalidImage(f"the {name} file ends within its header", code="truncated_image") from None
        return None
    if header.width < 1 or header.height < 1:
        raise InvalidImage(f"the {name} header says {header.width}×{header.height} pixels")
    return header


def check_pixels(header: Header, pixels_max: int) -> RequestError | None:
    """What is wrong with an image of this size, or None."""
    if header.pixels <= pixels_max:
        return None
    return InvalidImage(
        f"the image has {header.width}×{header.height} = {header.pixels} pixels; at most {pixels_max} are taken",
        code="too_many_pixels",
    )


def _format_of(head: bytes) -> tuple[str, Callable[[bytes], Header]]:
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG", _jpeg
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", _png
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", _webp
    if head.startswith(b"BM") and _u32(head, 14) in _DIB_SIZES:
        return "BMP", _bmp
    raise UnsupportedMedia(f"the content is no {FORMATS} image", code="unsupported_image_format")


# Start of frame: C0 to CF, without C4 (Huffman tables), C8 (reserved) and CC (arithmetic conditioning).
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone: TEM, RST0 to RST7, SOI.
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})


def _jpeg(head: bytes) -> Header:
    at = 2
    while True:
        at = head.find(b"\xff", at)
        if at < 0 or at + 1 >= len(head):
            raise _NotYet
        marker = head[at + 1]
        if marker in {0x00, 0xFF}:  # stuffing and fill bytes
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _SOF:
            return Header("jpeg", _be(head, at + 7, 2), _be(head, at + 5, 2))
        elif marker in {0xD9, 0xDA}:
            raise InvalidImage("the JPEG has no frame header before its data")
        else:
            at += 2 + max(2, _be(head, at + 2, 2))


def _png(head: bytes) -> Header:
    _need(head, 24)
    if head[12:16] != b"IHDR":
        raise InvalidImage("the PNG does not begin with its header chunk")
    return Header("png", _be(head, 16, 4), _be(head, 20, 4))


def _webp(head: bytes) -> Header:
    _need(head, 30)
    kind = head[12:16]
    if kind == b"VP8X":
        return Header("webp", 1 + _le(head, 24, 3), 1 + _le(head, 27, 3))
    if kind == b"VP8L":
        bits = _le(head, 21, 4)
        return Header("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        return Header("webp", _le(head, 26, 2) & 0x3FFF, _le(head, 28, 2) & 0x3FFF)
    raise InvalidImage("the WebP does not begin with an image chunk")


_OS2_SIZE: Final = 12
_DIB_SIZES: Final = frozenset({_OS2_SIZE, 16, 40, 52, 56, 64, 108, 124})


def _bmp(head: bytes) -> Header:
    if _u32(head, 14) == _OS2_SIZE:
        _need(head, 22)
        return Header("bmp", _le(head, 18, 2), _le(head, 20, 2))
    _need(head, 26)
    # A negative height means rows from the top down.
    width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (18, 22))
    return Header("bmp", width, abs(height))


def _need(head: bytes, count: int) -> None:
    if len(head) < count:
        raise _NotYet


def _be(head: bytes, at: int, count: int) -> int:
    _need(head, at + count)
    return int.from_bytes(head[at : at + count], "big")


def _le(head: bytes, at: int, count: int) -> int:
    _need(head, at + count)
    return int.from_bytes(head[at : at + count], "little")


def _u32(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 4], "little") if len(head) >= at + 4 else -1
