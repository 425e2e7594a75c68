"""Pictures of every kind through the real interface and the real model, and what is said of those that are none."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.system.load import files
from tests.system.running import Running, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
SCENE = Path(__file__).parents[2] / "examples" / "images" / "scene-1.jpg"
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system with the demo model."""
    with running(tmp_path_factory.mktemp("pictures"), "--no-sample", "--device", "cpu") as system:
        yield system


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return Image.open(SCENE).convert("RGB")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def detect(up: Running, *pictures: bytes, **fields: str) -> httpx.Response:
    return httpx.post(f"{up.url}/v1/detect", files=files(pictures), data=fields, timeout=60)


def found(up: Running, picture: bytes) -> dict[str, Any]:
    reply = detect(up, picture)
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["results"][0])


def sure(result: dict[str, Any]) -> list[tuple[str, list[float]]]:
    """Labels and boxes of the detections beyond doubt, left to right."""
    boxes = [(one["label"], one["box"]) for one in result["detections"] if one["score"] > 0.8]
    return sorted(boxes, key=lambda one: one[1])


def same_boxes(one: Sequence[tuple[str, list[float]]], other: Sequence[tuple[str, list[float]]], within: float) -> bool:
    return [label for label, _ in one] == [label for label, _ in other] and all(
        np.allclose(a, b, atol=within) for (_, a), (_, b) in zip(one, other, strict=True)
    )


def test_both_ways_to_send_a_picture_give_the_same_boxes(up: Running) -> None:
    """A multipart file and a raw body give the same detections, in the pixels of the original."""
    data = SCENE.read_bytes()
    raw = httpx.post(f"{up.url}/v1/detect", content=data, headers={"Content-Type": "image/jpeg"}, timeout=60)
    assert raw.status_code == 200, raw.text
    one, other = found(up, data), raw.json()["results"][0]
    assert one["detections"] == other["detections"]
    assert len(sure(one)) >= 3
    assert (one["width"], one["height"]) == Image.open(SCENE).size


def test_a_rotated_portrait_is_seen_upright(up: Running, scene: Image.Image) -> None:
    """An image stored sideways with an EXIF orientation has the boxes, width and height of the upright one."""
    upright = scene.rotate(90, expand=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown after a quarter turn clockwise
    sideways = encoded(upright.rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    plain = encoded(upright, "JPEG", quality=95)
    one, other = found(up, sideways), found(up, plain)
    assert (one["width"], one["height"]) == (other["width"], other["height"]) == upright.size
    assert same_boxes(sure(one), sure(other), within=4)


def with_alpha(scene: Image.Image) -> bytes:
    scene = scene.copy()
    scene.putalpha(255)
    return encoded(scene, "PNG")


def sixteen_bit(scene: Image.Image) -> bytes:
    gray = np.asarray(scene.convert("L"), dtype=np.uint16) * 257
    return encoded(Image.fromarray(gray), "PNG")


def test_a_picture_with_alpha_is_seen_as_without(up: Running, scene: Image.Image) -> None:
    """A PNG with an opaque alpha channel has the boxes of the one without."""
    assert same_boxes(sure(found(up, with_alpha(scene))), sure(found(up, encoded(scene, "PNG"))), within=0.5)


def test_sixteen_bits_are_seen_as_eight(up: Running, scene: Image.Image) -> None:
    """A 16-bit grayscale PNG has the boxes of the 8-bit one."""
    one, other = found(up, sixteen_bit(scene)), found(up, encoded(scene.convert("L"), "PNG"))
    assert sure(one) == sure(other)


def test_a_cmyk_jpeg_is_seen_in_its_colours(up: Running, scene: Image.Image) -> None:
    """A CMYK JPEG has the boxes of the RGB one, but for its colours' rounding."""
    one = sure(found(up, encoded(scene.convert("CMYK"), "JPEG", quality=95)))
    assert len(one) >= 3
    assert same_boxes(one, sure(found(up, encoded(scene, "JPEG", quality=95))), within=6)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_every_format_is_taken_by_content(up: Running, scene: Image.Image, kind: str) -> None:
    """PNG, WebP and BMP are read by what they are, though all are sent as .jpg."""
    assert len(sure(found(up, encoded(scene, kind)))) >= 3


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is that large and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


BAD = {
    "empty": (b"", {400}, "empty_image"),
    "text named .jpg": (b"just some text, no picture\n" * 20, {415}, "unsupported_image_format"),
    "truncated": (SCENE.read_bytes()[:9000], {400, 422}, ""),
    "100 megapixels": (png_header(10_000, 10_000), {413, 422}, "too_many_pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_single_bad_picture_has_its_problem(up: Running, name: str) -> None:
    """One bad picture alone is a problem document that says what was wrong."""
    data, statuses, code = BAD[name]
    reply = detect(up, data)
    assert reply.status_code in statuses, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert code in reply.json()["code"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_among_nine_good_ones_is_its_own_error(up: Running, name: str) -> None:
    """Nine good pictures have their results, and the bad one its error."""
    reply = detect(up, *[SCENE.read_bytes()] * 4, BAD[name][0], *[SCENE.read_bytes()] * 5)
    assert reply.status_code == 200, reply.text
    results = reply.json()["results"]
    assert [result["error"] is not None for result in results] == [False] * 4 + [True] + [False] * 5
    assert results[4]["detections"] is None
    assert BAD[name][2] in results[4]["error"]["code"]
    assert all(result["detections"] for result in results if result["error"] is None)


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "nope"}, 422), ({"conf": "2"}, 422), ({"imgsz": "7"}, 422), ({"colour": "red"}, 422)],
)
def test_a_wrong_field_is_named(up: Running, fields: dict[str, str], status: int) -> None:
    """A field outside its range, or no field of ours, is 422 and named."""
    reply = detect(up, SCENE.read_bytes(), **fields)
    assert reply.status_code == status
    assert next(iter(fields)) in reply.text


def test_a_wrong_content_type_says_what_would_be_right(up: Running) -> None:
    """A body of another type is 415 and lists the types that are taken."""
    reply = httpx.post(f"{up.url}/v1/detect", content=b"{}", headers={"Content-Type": "application/json"})
    assert reply.status_code == 415
    assert "image/jpeg" in reply.json()["detail"]
