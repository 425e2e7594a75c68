"""What an archive may be, and its images on their way into an upload.

The kind is told by content. What is counted while it inflates: entries, bytes, and how much more comes out than went
in. Links, devices, names that lead elsewhere and archives within are refused: nothing is ever written under a name from
an archive, but who sends such a thing is told so rather than half understood.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from gateway.crud.uploads import Upload
from tenfold.contract.errors import InvalidRequest, TooLarge

MEDIA_TYPES: Final = (
    "application/zip",
    "application/x-zip-compressed",
    "application/x-tar",
    "application/gzip",
    "application/x-gzip",
)
HEAD_BYTES: Final = 512
"""So many of the first bytes tell what kind of archive it is, if any."""
RATIO_MAX: Final = 100
FREE_BYTES: Final = 2**20
"""The ratio counts only beyond so many bytes: a drawing may well shrink more than a bomb."""
SKIPPED_MIN: Final = 1000

_TAR_MAGIC_AT: Final = 257
_NESTED: Final = (b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file begins; its bytes follow, the first :data:`HEAD_BYTES` of them in one piece."""

    name: str


ArchiveEvent = Entry | bytes


def kind_of(head: bytes) -> str:
    """``zip``, ``gzip`` or ``tar`` by the first :data:`HEAD_BYTES` of a file; "" where it is none of them."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "tar" if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar" else ""


def malformed(why: str) -> InvalidRequest:
    """The archive cannot be read."""
    return InvalidRequest(f"the archive cannot be read: {why}", code="malformed_archive")


def unsafe(why: str) -> InvalidRequest:
    """The archive holds something that is not taken."""
    return InvalidRequest(f"the archive is refused: {why}", code="unsafe_archive")


def is_skipped(name: str) -> bool:
    """Whether an entry is none of the sender's images: hidden, or what macOS adds. Raises where it leads elsewhere."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0][1:2] == ":" or "\0" in name:
        raise unsafe(f"the name {name[:100]!r} leads out of it")
    return "__MACOSX" in parts or any(part.startswith(".") and part != "." for part in parts)


@dataclass(slots=True)
class Tally:
    """What came out of one archive so far, against its bounds.

    Attributes:
        images_max: files that may become images; skipped entries are bounded apart.
        bytes_max: bytes after inflating.
        packed: bytes that went in so far.
    """

    images_max: int
    bytes_max: int
    packed: int = 0
    inflated: int = field(default=0, init=False)
    entries: int = field(default=0, init=False)

    @property
    def entries_max(self) -> int:
        """Entries of any kind: a Mac adds one for each file, and folders count too."""
        return 2 * self.images_max + SKIPPED_MIN

    def count_entry(self) -> None:
        """One more entry, skipped or not. Raises TooLarge (``archive_too_large``)."""
        self.entries += 1
        self.check_entries(self.entries)

    def check_entries(self, entries: int) -> None:
        """Raise TooLarge (``archive_too_large``) where so many are too many."""
        if entries > self.entries_max:
            raise TooLarge(f"the archive has more than {self.entries_max} entries", code="archive_too_large")

    def count_bytes(self, size: int) -> None:
        """So many bytes came out. Raises TooLarge (``archive_too_large``)."""
        self.inflated += size
        if self.inflated > self.bytes_max:
            raise TooLarge(f"the archive holds more than {self.bytes_max} bytes", code="archive_too_large")
        if self.inflated > FREE_BYTES and self.inflated > RATIO_MAX * self.packed:
            raise TooLarge(f"the archive inflates to more than {RATIO_MAX} times its size", code="archive_too_large")


async def keep_images(upload: Upload, events: AsyncIterator[ArchiveEvent]) -> None:
    """Make each file of an archive an image of ``upload``; one that is no image is its own error.

    Raises:
        InvalidRequest: an archive within the archive (``unsafe_archive``).
        TooLarge: too many images.
    """
    name, fresh = None, False
    async for event in events:
        if isinstance(event, Entry):
            if name is not None:
                await upload.end_image()
            upload.begin_image(event.name)
            name, fresh = event.name, True
            continue
        if fresh and (kind_of(event) or event.startswith(_NESTED)):
            raise unsafe(f"{name!r} is itself an archive; send images, or each archive as a job of its own")
        fresh = False
        await upload.write(event)
    if name is not None:
        await upload.end_image()
