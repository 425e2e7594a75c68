import io

import pytest
from PIL import Image

from tenfold.annotate import annotate, colour_of
from tenfold.contract.records import Detection

BOX = Detection(box=(10, 20, 50, 60), score=0.9, class_id=3, label="star")


def encoded(picture: Image.Image, form: str = "PNG", **extra: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **extra)
    return buffer.getvalue()


def test_box_is_drawn_where_it_says() -> None:
    """The box's edge has the class's colour, its inside is the picture's."""
    drawn = annotate(encoded(Image.new("RGB", (100, 80), "white")), [BOX])
    assert drawn.getpixel((50, 40)) == colour_of(3)
    assert drawn.getpixel((30, 45)) == (255, 255, 255)


def test_picture_is_turned_as_its_exif_says() -> None:
    """A portrait photo that lies on its side is drawn upright, as its boxes are given."""
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = annotate(encoded(Image.new("RGB", (100, 80), "white"), "JPEG", exif=exif), [])
    assert drawn.size == (80, 100)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (9, 9, 9, 0)), ("LA", (9, 0))])
def test_what_is_transparent_is_white(mode: str, colour: tuple[int, ...]) -> None:
    """Alpha lies over white, as the detector saw it."""
    drawn = annotate(encoded(Image.new(mode, (20, 20), colour)), [])
    assert drawn.getpixel((5, 5)) == (255, 255, 255)


def test_sixteen_bits_are_scaled() -> None:
    """A 16-bit picture keeps its shades."""
    drawn = annotate(encoded(Image.new("I;16", (20, 20), 128 * 256)), [])
    assert drawn.getpixel((5, 5)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "1"])
def test_other_modes_become_rgb(mode: str) -> None:
    """Any mode can be drawn on."""
    drawn = annotate(encoded(Image.new(mode, (60, 70)), "JPEG" if mode == "CMYK" else "PNG"), [BOX])
    assert drawn.mode == "RGB"


def test_no_picture_is_an_error() -> None:
    """Bytes that are no picture raise OSError."""
    with pytest.raises(OSError, match="cannot identify"):
        annotate(b"hello", [])
