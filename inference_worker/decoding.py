"""Encoded bytes to pixels: JPEG, PNG, WebP and BMP, told apart by content.

An image comes out as it is meant to be seen: turned as its EXIF orientation says, over white where it is transparent,
in RGB whatever its colours were stored as, and whole: one without its end is an error and never a half-grey picture. Of
several frames the first counts. All functions here may run in any number of threads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from inference_worker.jpeg import read_header

# The limit is our own, checked from each header before anything is decoded; Pillow's would only warn at first.
Image.MAX_IMAGE_PIXELS = None

_RGB = 3  # torchvision's number for it


def _find_fast_decoder() -> Callable[[Tensor, int, bool], Tensor] | None:
    """libjpeg-turbo as torchvision carries it, or None: torchvision means to drop it, and Pillow then does it all.

    The operator itself, since its wrapper costs a small image half as much again, most of it on a warning.
    """
    try:
        import torchvision.io  # noqa: F401 - loads the operator

        return torch.ops.image.decode_jpeg
    except (ImportError, AttributeError):
        return None


_decode_jpeg = _find_fast_decoder()

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WIDE_MODES = frozenset({"I", "I;16", "I;16L", "I;16B"})


class DecodeError(Exception):
    """An image that cannot be had. ``code`` is the stable word for the result, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def decode_image(raw: bytes, pixels_max: int) -> Tensor:
    """The image in ``raw`` as (3, height, width) uint8 RGB, after its EXIF orientation.

    Raises:
        DecodeError: ``unsupported_image_format``, ``too_many_pixels`` (more than ``pixels_max`` by the header),
            ``truncated_image`` or ``invalid_image``.
    """
    name = sniff(raw)
    if name == "JPEG":
        pixels = _plain_jpeg(raw, pixels_max)
        if pixels is not None:
            return pixels
    try:
        return _by_pillow(raw, name, pixels_max)
    except DecodeError:
        raise
    except Exception as error:
        raise _as_decode_error(error, name, raw) from error


def sniff(raw: bytes) -> str:
    """Which of :data:`FORMATS` the first bytes announce. Raises DecodeError where it is none."""
    if not raw:
        raise DecodeError("invalid_image", "the file is empty")
    if raw.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "WEBP"
    if raw.startswith(b"BM"):
        return "BMP"
    raise DecodeError("unsupported_image_format", "the file is neither JPEG, PNG, WebP nor BMP")


def _plain_jpeg(raw: bytes, pixels_max: int) -> Tensor | None:
    """By libjpeg-turbo, four times as fast and off the interpreter's lock; None where Pillow has to look closer."""
    header = read_header(raw)
    if _decode_jpeg is None or header is None or header.bits != 8 or header.components not in {1, 3}:
        return None
    _check_pixels(header.width, header.height, pixels_max)
    data = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    try:
        return _decode_jpeg(data, _RGB, True)  # True: as its EXIF orientation says
    except RuntimeError:
        return None


def _by_pillow(raw: bytes, name: str, pixels_max: int) -> Tensor:
    with Image.open(BytesIO(raw), formats=[name]) as image:
        _check_pixels(image.width, image.height, pixels_max)
        image.load()
        return _to_tensor(_upright(_to_rgb(image), _orientation(image)))


def _check_pixels(width: int, height: int, pixels_max: int) -> None:
    if width * height > pixels_max:
        message = f"the image is {width} × {height} pixels; at most {pixels_max} pixels are allowed"
        raise DecodeError("too_many_pixels", message)


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return int(exif.get(_ORIENTATION, 1))
    except (ValueError, TypeError, SyntaxError, KeyError, OSError, struct.error):
        return 1  # a broken EXIF block does not make the picture unreadable


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        image = _from_16_bits(image)
    if image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for one with Adobe's inverted inks; without Adobe's marker they are not inverted.
        image = image.point([255 - ink for ink in range(256)] * 4)
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return _over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 0..65535 to grey of 0..255, to the nearest; its transparent value, if any, becomes alpha."""
    wide: NDArray[np.uint32] = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8), "L")
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    grey.putalpha(Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8), "L"))
    return grey


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _as_decode_error(error: Exception, name: str, raw: bytes) -> DecodeError:
    if isinstance(error, MemoryError):
        return DecodeError("too_many_pixels", f"the {name} image needs more memory than there is")
    if isinstance(error, EOFError) or "truncated" in str(error).lower() or _webp_is_cut(raw):
        return DecodeError("truncated_image", f"the {name} image ends before its last pixel")
    if isinstance(error, UnidentifiedImageError):
        return DecodeError("invalid_image", f"the file begins like {name} but is none")
    return DecodeError("invalid_image", f"the {name} image cannot be decoded: {error}")


def _webp_is_cut(raw: bytes) -> bool:
    return raw.startswith(b"RIFF") and 8 + int.from_bytes(raw[4:8], "little") > len(raw)
