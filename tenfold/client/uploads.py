"""Images as a person has them, made ready to be sent: files, folders, bytes, Pillow's images, NumPy's arrays."""

import glob
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self, TypeAlias

from tenfold.client.errors import UnusableImage

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
OTHER_PICTURE_SUFFIXES: Final = frozenset({".heic", ".heif", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".jxl", ".dng"})
"""Pictures too, of formats that the service does not read."""
_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


_ADDRESSES: Final = ("http://", "https://", "s3://", "gs://", "data:")


@dataclass(frozen=True, slots=True)
class Upload:
    """An image to send: what it is called, and its bytes or the file that has them."""

    name: str
    source: Path | bytes

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """The file at `path`, named by its last part."""
        return cls(Path(path).name, Path(path))

    @property
    def size(self) -> int:
        """Its bytes, counted. Raises UnusableImage for a file that is gone."""
        if isinstance(self.source, bytes):
            return len(self.source)
        try:
            return self.source.stat().st_size
        except OSError as error:
            raise UnusableImage(f"{self.source} cannot be read: {error.strerror}") from error

    def read(self) -> bytes:
        """Its bytes. Raises OSError."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def body(self) -> Any:
        """What httpx sends: the bytes, or a file that is opened when its turn comes."""
        return self.source if isinstance(self.source, bytes) else _LazyFile(self.source, self.size)


Picture: TypeAlias = Any
"""One image: a path (str or Path), encoded bytes, a binary file, a Pillow image, an array of uint8 (height, width) or
(height, width, 3 or 4) in the order RGB, or an `Upload`."""
Pictures: TypeAlias = Any
"""A `Picture`, a folder, or an iterable of both."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked for with images; None leaves it to the service."""

    model: str | None = None
    conf: float | None = None
    iou: float | None = None
    max_detections: int | None = None
    imgsz: int | None = None
    priority: str | None = None
    deadline_ms: int | None = None

    def fields(self) -> dict[str, str]:
        """Those that were given, as form fields."""
        names = self.__dataclass_fields__
        return {name: str(value) for name in names if (value := getattr(self, name)) is not None}


def uploads_of(pictures: Pictures) -> list[Upload]:
    """Everything given, in order; of a folder all pictures in it and below, by name.

    Raises UnusableImage for what is no image, or where there is none at all.
    """
    uploads = list(_each(pictures))
    if not uploads:
        raise UnusableImage("no images were given")
    return uploads


def in_folder(folder: Path) -> list[Upload]:
    """The pictures in a folder and below, by name, each called by its path within the folder."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    return [Upload(str(path.relative_to(folder)), path) for path in found]


def _each(given: Pictures) -> Iterator[Upload]:
    if isinstance(given, Upload):
        yield given
    elif isinstance(given, str) and given.startswith(_ADDRESSES):
        raise UnusableImage(f"{given} is an address; the service fetches nothing: send the picture's bytes")
    elif isinstance(given, str | Path):
        yield from _at(Path(given))
    elif isinstance(given, bytes | bytearray | memoryview):
        yield Upload("image", bytes(given))
    elif hasattr(given, "__array_interface__"):
        yield Upload(_named(given), _png_of(_drawn_from(given)))
    elif hasattr(given, "permute"):
        raise UnusableImage(
            f"a {type(given).__name__} of shape {tuple(given.shape)} is not sent as it is; give pixels as uint8 of "
            "(height, width, 3), such as tensor.permute(1, 2, 0).cpu().numpy()"
        )
    elif hasattr(given, "read"):
        yield Upload(Path(str(getattr(given, "name", "image"))).name, _read_from(given))
    elif isinstance(given, Iterable):
        for one in given:
            yield from _each(one)
    else:
        raise UnusableImage(f"{type(given).__name__} is no path, bytes, Pillow image or array of pixels")


def _at(given: Path) -> Iterator[Upload]:
    path = given.expanduser()
    if path.is_dir():
        found = in_folder(path)
        if not found:
            raise UnusableImage(f"no pictures in {path} (looked for {', '.join(sorted(PICTURE_SUFFIXES))})")
        yield from found
    elif path.is_file():
        yield Upload.of(path)
    elif matches := sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - patterns may be absolute
        for match in matches:
            yield from _at(Path(match))
    else:
        raise UnusableImage(f"{path} is no file, folder or pattern that matches any")


def _read_from(file: IO[bytes]) -> bytes:
    data = file.read()
    if not isinstance(data, bytes):
        raise UnusableImage("a file of text was given; open it with mode 'rb'")
    return data


def _named(given: Any) -> str:
    # Pillow knows the file that an image was read from.
    return Path(str(getattr(given, "filename", "") or "array.png")).name


def _drawn_from(given: Any) -> Any:
    """A Pillow image of an array or of a Pillow image, which has the array's interface too."""
    from PIL import Image

    if isinstance(given, Image.Image):
        return given
    described = given.__array_interface__
    shape, kind = described["shape"], described["typestr"]
    if kind != "|u1" or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in {3, 4})):
        raise UnusableImage(
            f"an array of shape {shape} and type {kind} is no image; allowed: uint8 of (height, width) or "
            "(height, width, 3 or 4), several of them in a list"
        )
    return Image.fromarray(given)


def _png_of(image: Any) -> bytes:
    # Lossless, and fast rather than small: it goes to a service nearby.
    out = io.BytesIO()
    try:
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(out, "PNG", compress_level=1)
    except (OSError, ValueError) as error:
        raise UnusableImage(f"the image cannot be encoded: {error}") from error
    return out.getvalue()


class _LazyFile:
    """A file that is opened when its turn to be sent comes, so that a job of thousands needs one descriptor."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._at = 0
        self._file: IO[bytes] | None = None

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        self.close()
        return self._at

    def read(self, count: int = -1) -> bytes:
        # Never more and never less than was announced: a file that changes meanwhile must not break the body's length.
        left = self._size - self._at
        if not left:
            self.close()
            return b""
        try:
            chunk = self._open().read(left if count < 0 else min(count, left))
        except OSError as error:
            raise UnusableImage(f"{self._path} cannot be read: {error.strerror}") from error
        if not chunk:
            raise UnusableImage(f"{self._path} became shorter while it was sent")
        self._at += len(chunk)
        return chunk

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._path.open("rb")
            self._file.seek(self._at)
        return self._file
