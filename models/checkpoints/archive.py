"""The zip archive that torch.save writes: a pickle, and one entry of plain numbers for each storage.

None of these is compressed, so what is read is never larger than the file.
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from pathlib import Path
from types import TracebackType

from models.weights.errors import WeightsError

FILE_BYTES_MAX = 2 * 1024**3
PICKLE_BYTES_MAX = 16 * 1024**2
ENTRIES_MAX = 20_000
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    struct.error,
)


class Archive:
    """A checkpoint's zip archive of ``size`` bytes, open for reading.

    Raises WeightsError for what torch.save would not have written.
    """

    def __init__(self, path: Path) -> None:
        self.size = _size_of(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except _ZIP_FAULTS as error:
            raise WeightsError(
                f"it is no zip archive as torch.save writes since PyTorch 1.6 ({error}); save it again with a newer one"
            ) from error
        try:
            self._entries = self._checked_entries()
            self._root = self._find_root()
        except WeightsError:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    @property
    def is_torchscript(self) -> bool:
        """Whether it holds code, as TorchScript exports do."""
        return any(name.startswith((f"{self._root}code/", f"{self._root}constants.pkl")) for name in self._entries)

    def pickle(self) -> bytes:
        """The bytes of the pickle."""
        return self._read(f"{self._root}data.pkl", PICKLE_BYTES_MAX)

    def storage(self, key: str, size: int) -> bytes:
        """The ``size`` bytes of a storage."""
        data = self._read(f"{self._root}data/{key}", self.size)
        if len(data) != size:
            raise WeightsError(f"storage {key[:40]!r} has {len(data)} bytes where its type and length need {size}")
        return data

    def extra_file(self, name: str, size_max: int) -> bytes | None:
        """An extra file of a TorchScript export, None where there is none of that name."""
        entry = f"{self._root}extra/{name}"
        return self._read(entry, size_max) if entry in self._entries else None

    def _checked_entries(self) -> dict[str, zipfile.ZipInfo]:
        entries = self._zip.infolist()
        if len(entries) > ENTRIES_MAX:
            raise WeightsError(f"its archive has {len(entries)} entries; {ENTRIES_MAX} are allowed")
        twice = [name for name, times in Counter(entry.filename for entry in entries).items() if times > 1]
        if twice:
            raise WeightsError(f"its archive has the entry {twice[0][:80]!r} twice")
        # Code in TorchScript exports is compressed; it is never read here.
        if sum(entry.file_size for entry in entries if entry.compress_type == zipfile.ZIP_STORED) > self.size:
            raise WeightsError("its archive claims more bytes than the file has")
        return {entry.filename: entry for entry in entries}

    def _find_root(self) -> str:
        """The folder in which everything lies, with its slash."""
        pickles = [name for name in self._entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"its archive has {len(pickles)} pickles named data.pkl; a checkpoint has one")
        root = pickles[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in self._entries and self._read(order, 16) != b"little":
            raise WeightsError("its numbers are not little-endian")
        return root

    def _read(self, name: str, size_max: int) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise WeightsError(f"its archive lacks the entry {name[:80]!r}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise WeightsError(f"its entry {name[:80]!r} is compressed; torch.save does not do that")
        if entry.file_size > size_max:
            raise WeightsError(f"its entry {name[:80]!r} has {entry.file_size} bytes; {size_max} are allowed")
        try:
            return self._zip.read(entry)
        except _ZIP_FAULTS as error:
            raise WeightsError(f"its entry {name[:80]!r} is damaged: {error}") from error


def _size_of(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"it cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise WeightsError("it is no file")
    if size > FILE_BYTES_MAX:
        raise WeightsError(f"it has {size} bytes; {FILE_BYTES_MAX} are allowed")
    return size
