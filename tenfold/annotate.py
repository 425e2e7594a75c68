"""Pictures with what was found drawn on them."""

import colorsys
import io
from collections.abc import Iterable
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from tenfold.contract.records import Detection

_GOLDEN_TURN: Final = 0.618033988749895


def annotate(encoded: bytes, detections: Iterable[Detection]) -> Image.Image:
    """The picture in `encoded`, turned as its EXIF says, in RGB, with a box and a label for each detection.

    Boxes are in pixels of the turned picture, as the service gives them. Raises OSError for what is no picture.
    """
    with Image.open(io.BytesIO(encoded)) as opened:
        picture = _as_rgb(ImageOps.exif_transpose(opened))
    draw = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 400))
    font = ImageFont.load_default(size=max(11, round(max(picture.size) / 55)))
    # The surest last, so that its label lies on top.
    for found in sorted(detections, key=lambda found: found.score):
        colour = colour_of(found.class_id)
        draw.rectangle(found.box, outline=colour, width=width)
        _label(draw, found, colour, font)
    return picture


def colour_of(class_id: int) -> tuple[int, int, int]:
    """A class's colour (RGB): the same on every picture, neighbours far apart."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN_TURN % 1.0, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _label(
    draw: ImageDraw.ImageDraw,
    found: Detection,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    text = f"{found.label} {found.score:.2f}"
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    height = bottom - top + 4
    x, y = found.box[0], found.box[1] - height
    if y < 0:
        y = found.box[1]
    draw.rectangle((x, y, x + right - left + 6, y + height), fill=colour)
    dark = sum(colour) < 380
    draw.text((x + 3 - left, y + 2 - top), text, fill="white" if dark else "black", font=font)


def _as_rgb(picture: Image.Image) -> Image.Image:
    """RGB of any mode; what is transparent shows white, as the detector saw it."""
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    if picture.mode in {"I", "I;16", "I;16B", "I;16L"}:
        # Sixteen bits a pixel: Pillow's own conversion clips instead of scaling.
        return picture.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    return picture.convert("RGB")
