"""Picture files: their size as people see them, and their pixels.

Upright by EXIF, over white where transparent, the first of several frames: as a worker decodes what users send.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from models.train.datasets.faults import DataError

Pixels = npt.NDArray[np.uint8]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
PIXELS_MAX = 50_000_000
"""As the service's own limit: what could not be served need not be learnt."""

_ORIENTATION = 0x0112
_ON_THEIR_SIDE = frozenset({5, 6, 7, 8})


def size_of(path: Path) -> tuple[int, int]:
    """Width and height after the EXIF orientation, from the header alone. Raises DataError without the file's name."""
    width, height, turned = header_of(path)
    return (height, width) if turned else (width, height)


def header_of(path: Path) -> tuple[int, int, bool]:
    """Width and height as stored, and whether EXIF lays the picture on its side. Raises DataError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > PIXELS_MAX:
                raise DataError(f"{image.width} x {image.height} pixels; at most {PIXELS_MAX} pixels are taken")
            return image.width, image.height, _orientation(image) in _ON_THEIR_SIDE
    except FileNotFoundError:
        raise DataError("there is no such file") from None
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise _unreadable(error) from error


def decode(path: Path) -> Pixels:
    """(height, width, 3) RGB. Raises DataError that names the file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.array(_over_white(upright).convert("RGB"))
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: {_unreadable(error)}") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (ValueError, TypeError, SyntaxError, KeyError, struct.error):
        return 1


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode not in {"RGBA", "LA", "PA"} and "transparency" not in image.info:
        return image
    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, (255, 255, 255, 255)), clear)


def _unreadable(error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    if isinstance(error, UnidentifiedImageError):
        return DataError("it is no JPEG, PNG, WebP or BMP picture")
    return DataError(f"the picture cannot be read: {error}")
