"""Bytes to pixels, for each encoding that users send."""

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from inference_worker import decoding
from inference_worker.decoding import DecodeError, decode_image
from tests.unit.inference_worker.encoded import Pixels, blocks, encode, exif, without_adobe

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF")

ROOMY = 10**8
PHOTO = blocks()


def decoded(raw: bytes) -> Pixels:
    """(height, width, 3), as the tests compare it."""
    pixels = decode_image(raw, ROOMY)
    assert pixels.dtype == torch.uint8
    assert pixels.shape[0] == 3
    return np.asarray(pixels.permute(1, 2, 0))


def close(got: Pixels, meant: Pixels, within: int = 6) -> bool:
    """Whether all pixels are ``within`` so much of what is meant: JPEG and WebP lose a little."""
    return got.shape == meant.shape and int(np.abs(got.astype(int) - meant.astype(int)).max()) <= within


def photo() -> Image.Image:
    return Image.fromarray(PHOTO)


def code_of(raw: bytes, pixels_max: int = ROOMY) -> str:
    with pytest.raises(DecodeError) as error:
        decode_image(raw, pixels_max)
    return error.value.code


@pytest.mark.parametrize(
    ("kind", "options", "within"),
    [
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("JPEG", {"quality": 98, "subsampling": 0, "progressive": True}, 6),
        ("PNG", {}, 0),
        ("PNG", {"compress_level": 0}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
    ],
)
def test_plain(kind: str, options: dict[str, object], within: int) -> None:
    """A plain colour picture comes out as it went in."""
    assert close(decoded(encode(photo(), kind, **options)), PHOTO, within)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_grey(kind: str) -> None:
    """A grey picture comes out with three equal channels."""
    grey = photo().convert("L")
    options = {"lossless": True} if kind == "WEBP" else {}
    got = decoded(encode(grey.convert("RGB") if kind == "WEBP" else grey, kind, **options))
    assert close(got, np.stack([np.asarray(grey)] * 3, axis=2), 3)


def test_one_bit() -> None:
    """A black and white PNG is black and white."""
    bits = Image.fromarray(PHOTO[..., 0] > 128).convert("1")
    assert set(np.unique(decoded(encode(bits, "PNG")))) == {0, 255}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "CMYK"])
def test_orientation(kind: str, orientation: int) -> None:
    """The picture is turned as its EXIF orientation says, whichever decoder reads it; its size is that afterwards."""
    meant = {
        1: PHOTO,
        2: PHOTO[:, ::-1],
        3: PHOTO[::-1, ::-1],
        4: PHOTO[::-1],
        5: PHOTO.transpose(1, 0, 2),
        6: np.rot90(PHOTO, -1),
        7: PHOTO.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(PHOTO),
    }[orientation]
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 98, "subsampling": 0},
        "CMYK": {"quality": 98},
        "WEBP": {"lossless": True},
    }
    image = photo().convert("CMYK") if kind == "CMYK" else photo()
    raw = encode(image, "JPEG" if kind == "CMYK" else kind, exif=exif(orientation), **options.get(kind, {}))
    assert close(decoded(raw), meant, 12)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_senseless_orientation(kind: str, orientation: int) -> None:
    """An orientation that EXIF does not have leaves the picture as it is."""
    assert decoded(encode(photo(), kind, exif=exif(orientation))).shape == PHOTO.shape


def test_broken_exif() -> None:
    """A broken EXIF block does not make a picture unreadable."""
    for kind in ("JPEG", "PNG"):
        assert decoded(encode(photo(), kind, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")).shape == PHOTO.shape


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_lies_over_white(kind: str) -> None:
    """What is transparent shows white, what is half transparent shows half of it."""
    alpha = np.zeros(PHOTO.shape[:2], dtype=np.uint8)
    alpha[:, 16:32], alpha[:, 32:] = 128, 255
    image = photo()
    image.putalpha(Image.fromarray(alpha))
    got = decoded(encode(image, kind, lossless=True, exact=True) if kind == "WEBP" else encode(image, kind))
    share = alpha[..., None].astype(float) / 255
    assert close(got, np.round(PHOTO * share + 255 * (1 - share)).astype(np.uint8), 1)


def test_grey_with_alpha() -> None:
    """A grey PNG with alpha lies over white too."""
    image = Image.merge("LA", (Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 0)))
    assert (decoded(encode(image, "PNG")) == 255).all()


def test_palette() -> None:
    """A palette picture has its palette's colours."""
    image = photo().quantize(64)
    assert close(decoded(encode(image, "PNG")), np.asarray(image.convert("RGB")), 0)
    assert close(decoded(encode(image, "BMP")), np.asarray(image.convert("RGB")), 0)


def test_palette_with_transparency() -> None:
    """A palette entry that is transparent shows white."""
    image = Image.new("P", (4, 2), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    got = decoded(encode(image, "PNG", transparency=0))
    assert got[0, 0].tolist() == [255, 255, 255]
    assert got[1, 1].tolist() == [200, 100, 50]


def test_transparent_colour() -> None:
    """A colour that a PNG names as transparent shows white."""
    got = decoded(encode(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3)))
    assert (got == 255).all()


def test_16_bits_are_scaled() -> None:
    """A 16-bit grey PNG is scaled to 8 bits over its whole range, to the nearest, and not clipped."""
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    got = decoded(encode(Image.fromarray(ramp), "PNG"))
    assert close(got, np.stack([np.round(ramp / 257).astype(np.uint8)] * 3, axis=2), 0)


def test_16_bits_with_a_transparent_value() -> None:
    """In a 16-bit grey PNG the value named as transparent shows white."""
    wide = np.full((4, 4), 1000, dtype=np.uint16)
    wide[0, 0] = 40000
    got = decoded(_with_chunk(encode(Image.fromarray(wide), "PNG"), b"tRNS", (40000).to_bytes(2, "big")))
    assert got[0, 0].tolist() == [255, 255, 255]
    assert got[1, 1].tolist() == [4, 4, 4]


def test_16_bit_colour() -> None:
    """A 16-bit colour PNG is scaled to 8 bits."""
    row = b"\0" + b"".join(int(value * 257).to_bytes(2, "big") for value in (12, 130, 250, 0, 255, 1))
    assert close(decoded(_png(2, 1, 16, 2, row)), np.array([[[12, 130, 250], [0, 255, 1]]], dtype=np.uint8), 0)


@pytest.mark.parametrize("change", [lambda raw: raw, without_adobe], ids=["adobe", "plain"])
def test_cmyk(change: Callable[[bytes], bytes]) -> None:
    """A CMYK JPEG has its colours, whether its inks are inverted, as Adobe writes them, or not."""
    image = photo().convert("CMYK")
    if change is without_adobe:
        image = image.point([255 - ink for ink in range(256)] * 4)
    assert close(decoded(change(encode(image, "JPEG", quality=98))), PHOTO, 12)


def test_first_frame_of_several() -> None:
    """Of an animation the first frame counts."""
    for kind in ("WEBP", "PNG"):
        later = [Image.new("RGB", photo().size, (0, 0, 0))] * 3
        options = {"lossless": True} if kind == "WEBP" else {}
        raw = encode(photo(), kind, save_all=True, append_images=later, duration=50, **options)
        assert close(decoded(raw), PHOTO, 0)


def test_mpo() -> None:
    """A phone's JPEG with a second picture behind the first is its first picture."""
    raw = encode(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))], quality=98, subsampling=0)
    assert close(decoded(raw), PHOTO)


def test_bytes_behind_the_end() -> None:
    """What a camera appends behind a JPEG's end is not looked at."""
    assert close(decoded(encode(photo(), "JPEG", quality=98, subsampling=0) + b"trailer" * 100), PHOTO)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("BMP", "RGB", {}),
    ],
)
def test_truncated(kind: str, mode: str, options: dict[str, object]) -> None:
    """Wherever a file is cut, it is an error or the whole picture, never a part of it; most cuts say so by name."""
    raw = encode(Image.fromarray(blocks(160, 128)).convert(mode), kind, **options)
    whole = decode_image(raw, ROOMY)
    codes = [_outcome(raw[:end], whole) for end in range(len(raw) * 2 // 3, len(raw), max(1, len(raw) // 40))]
    assert set(codes) <= {"truncated_image", "whole"}
    assert codes[0] == "truncated_image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_damaged(kind: str) -> None:
    """Bytes changed anywhere lead to a picture or to an error with a code, never to anything else."""
    raw = encode(photo(), kind)
    random = np.random.default_rng(3)
    for _ in range(150):
        bad = bytearray(raw)
        for at in random.integers(0, len(raw), 3):
            bad[at] = int(random.integers(0, 256))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert _outcome(bytes(bad), None) in {
                "picture",
                "invalid_image",
                "truncated_image",
                "unsupported_image_format",
                "too_many_pixels",
            }


@pytest.mark.parametrize(
    "raw",
    [b"GIF89a" + bytes(50), b"%PDF-1.7", b"II*\0" + bytes(50), b"hello", b"<svg/>", bytes(100)],
    ids=["gif", "pdf", "tiff", "text", "svg", "zeros"],
)
def test_other_formats(raw: bytes) -> None:
    """Whatever is not JPEG, PNG, WebP or BMP by its content is refused by its format."""
    assert code_of(raw) == "unsupported_image_format"


@pytest.mark.parametrize("raw", [b"", b"\xff\xd8\xff\xe0nothing", b"\x89PNG\r\n\x1a\nnothing", b"BMnothing"])
def test_no_image(raw: bytes) -> None:
    """A file that is empty, or begins like an image and is none, is invalid."""
    assert code_of(raw) in {"invalid_image", "truncated_image"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_too_many_pixels(kind: str) -> None:
    """A picture of more pixels than allowed is refused."""
    assert code_of(encode(photo(), kind), pixels_max=PHOTO.shape[0] * PHOTO.shape[1] - 1) == "too_many_pixels"


def test_pixels_are_counted_before_decoding() -> None:
    """A header that announces a hundred megapixels is refused, though nothing stands behind it."""
    flood = _png(10_000, 10_000, 8, 2, b"")
    assert code_of(flood, pixels_max=50_000_000) == "too_many_pixels"
    jpeg = bytearray(encode(photo(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = (10_000).to_bytes(2, "big") * 2
    assert code_of(bytes(jpeg), pixels_max=50_000_000) == "too_many_pixels"


def test_plain_jpegs_take_the_fast_way() -> None:
    """Plain and grey JPEGs are decoded without Pillow; what libjpeg-turbo refuses, Pillow looks at."""
    for mode in ("RGB", "L"):
        raw = encode(photo().convert(mode), "JPEG", exif=exif(6))
        fast = decoding._plain_jpeg(raw, ROOMY)
        assert isinstance(fast, Tensor)
        assert fast.shape == (3, 48, 32)
    assert decoding._plain_jpeg(encode(photo().convert("CMYK"), "JPEG"), ROOMY) is None
    assert decoding._plain_jpeg(encode(photo(), "JPEG")[:-100], ROOMY) is None


def test_both_decoders_agree() -> None:
    """A JPEG looks the same by the fast way and by Pillow."""
    raw = encode(photo(), "JPEG", quality=90, exif=exif(8))
    fast = decoding._plain_jpeg(raw, ROOMY)
    assert fast is not None
    slow = decoding._by_pillow(raw, "JPEG", ROOMY)
    assert int((fast.int() - slow.int()).abs().max()) <= 3


def _outcome(raw: bytes, whole: Tensor | None) -> str:
    try:
        pixels = decode_image(raw, 10**6)
    except DecodeError as error:
        return error.code
    if whole is None:
        return "picture"
    return "whole" if torch.equal(pixels, whole) else "a part"


def _png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0])
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    at = png.index(b"IDAT") - 4
    return png[:at] + _chunk(kind, body) + png[at:]
