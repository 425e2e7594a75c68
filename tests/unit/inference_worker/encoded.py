"""Pictures in every encoding that users send, with the pixels that are meant."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def blocks(width: int = 48, height: int = 32) -> Pixels:
    """(height, width, 3): flat blocks of 16 × 16, each of one colour, so that JPEG keeps them nearly as they are."""
    colours = np.random.default_rng(7).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.kron(colours, np.ones((16, 16, 1), dtype=np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """``image`` as a file of ``kind``."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    """An EXIF block that holds this orientation alone."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def without_adobe(jpeg: bytes) -> bytes:
    """``jpeg`` without its APP14 segment, Adobe's marker."""
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]
