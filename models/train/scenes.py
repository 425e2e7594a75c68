"""Scenes with known objects: what the demo model is trained and measured on.

``draw_scene(options, seed, index)`` is a pure function: the same arguments give the same picture. A scene is a
cluttered background, objects of :data:`~models.train.shapes.LABELS` with turn, size, shading, outline and texture,
partly over each other, and then what a camera adds: blur, noise, exposure and JPEG artefacts.

``python -m models.train.scenes --out DIR`` writes scenes as pictures.
"""

from __future__ import annotations

import argparse
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from models.train.backgrounds import Generator, draw_background
from models.train.shapes import LABELS, SHAPES, Shape, posed

Pixels = npt.NDArray[np.uint8]

SUPERSAMPLING = 4
VISIBLE_MIN = 0.6
"""The least share of an object that later objects leave uncovered."""


@dataclass(frozen=True)
class SceneOptions:
    """How scenes are drawn.

    ``unit`` is the pixels of the picture that one pixel of the network's 320-pixel input stands for: a picture of
    640 x 480 has unit 2. Diameters are in those input pixels; ``density`` is the objects that a full 320 x 320 has, and
    ``shapes`` are the classes.
    """

    width: int
    height: int
    unit: float = 1.0
    diameter_min: float = 20.0
    diameter_max: float = 150.0
    density: float = 8.0
    shapes: tuple[Shape, ...] = SHAPES


@dataclass(frozen=True)
class Scene:
    """A picture (height, width, 3) uint8 RGB with its objects: boxes (n, 4) xyxy in pixels, class ids (n,)."""

    pixels: Pixels
    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]


def draw_scene(options: SceneOptions, seed: int, index: int) -> Scene:
    """The scene ``index`` of ``seed``. At least one object is in it."""
    rng = np.random.default_rng((seed, index))
    canvas = _Canvas(draw_background(rng, options.width, options.height, options.unit))
    mean = options.density * options.width * options.height / (320 * options.unit) ** 2
    for _ in range(max(1, int(rng.poisson(mean)))):
        _place(rng, canvas, options)
    while not canvas.class_ids:
        _place(rng, canvas, options)
    return Scene(_camera(rng, canvas.picture, options.unit), canvas.visible_boxes(), np.array(canvas.class_ids))


class _Canvas:
    """The picture so far, and which object owns each pixel (0: none), so that boxes fit what is visible."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture
        self.owner: npt.NDArray[np.uint8] = np.zeros((picture.height, picture.width), np.uint8)
        self.areas: list[int] = []
        self.class_ids: list[int] = []

    def fits(self, solid: npt.NDArray[np.bool_], x: int, y: int) -> bool:
        """Whether an object there leaves each object below it visible enough."""
        height, width = solid.shape
        covered = np.bincount(self.owner[y : y + height, x : x + width][solid], minlength=len(self.areas) + 1)
        if not covered[1:].any():
            return True
        visible = np.bincount(self.owner.ravel(), minlength=len(self.areas) + 1)
        return all(visible[i + 1] - covered[i + 1] >= VISIBLE_MIN * area for i, area in enumerate(self.areas))

    def paste(
        self, patch: Image.Image, mask: Image.Image, solid: npt.NDArray[np.bool_], x: int, y: int, kind: int
    ) -> None:
        height, width = solid.shape
        self.picture.paste(patch, (x, y), mask)
        self.areas.append(int(solid.sum()))
        self.class_ids.append(kind)
        self.owner[y : y + height, x : x + width][solid] = len(self.areas)

    def visible_boxes(self) -> npt.NDArray[np.float32]:
        boxes = np.zeros((len(self.areas), 4), np.float32)
        for i in range(len(self.areas)):
            mine = self.owner == i + 1
            columns, rows = np.flatnonzero(mine.any(0)), np.flatnonzero(mine.any(1))
            boxes[i] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return boxes


def _place(rng: Generator, canvas: _Canvas, options: SceneOptions) -> None:
    """Draws one object where it fits; none after a few tries, or where it is larger than the frame."""
    most = min(options.diameter_max * options.unit, 0.75 * min(options.width, options.height))
    least = options.diameter_min * options.unit
    radius = math.exp(rng.uniform(math.log(least), math.log(max(most, least)))) / 2
    kind = int(rng.integers(len(options.shapes)))
    squeeze = float(rng.uniform(0.88, 1.0))
    shape = posed(options.shapes[kind], float(rng.uniform(0, 2 * math.pi)), radius, squeeze, bool(rng.random() < 0.5))
    side = 2 * math.ceil(radius * 1.08) + 2
    if side >= min(options.width, options.height) or len(canvas.areas) >= 250:
        return
    mask = _mask(shape, side)
    solid = np.asarray(mask) > 127
    for _ in range(8):
        x = int(rng.integers(0, options.width - side + 1))
        y = int(rng.integers(0, options.height - side + 1))
        if canvas.fits(solid, x, y):
            below = np.asarray(canvas.picture.crop((x, y, x + side, y + side)), dtype=np.float32).mean((0, 1))
            canvas.paste(_painted(rng, shape, side, below), mask, solid, x, y, kind)
            return


def _mask(shape: Shape, side: int, width: float | None = None) -> Image.Image:
    """The shape's coverage (side, side) from 0 to 255; with ``width``, that of its outline, in pixels."""
    mask = Image.new("L", (side * SUPERSAMPLING, side * SUPERSAMPLING))
    draw = ImageDraw.Draw(mask)
    for hole, path in enumerate(shape):
        points = [(float(x), float(y)) for x, y in (path + side / 2) * SUPERSAMPLING]
        if width is None:
            draw.polygon(points, fill=0 if hole else 255)
        else:
            draw.line(
                [*points, points[0], points[1]], fill=255, width=max(1, round(width * SUPERSAMPLING)), joint="curve"
            )
    return mask.reduce(SUPERSAMPLING)


def _painted(rng: Generator, shape: Shape, side: int, below: npt.NDArray[np.float32]) -> Image.Image:
    """The object's colours (side, side, 3): a tone that differs from what is below, shading, texture, outline."""
    tone = _contrasting(rng, below)
    pixels = np.broadcast_to(tone, (side, side, 3)).copy()
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    slope = rng.uniform(-28, 28, 2).astype(np.float32)
    pixels += (ramp[:, None] * slope[0] + ramp[None, :] * slope[1])[..., None]
    if rng.random() < 0.3:
        pixels += _texture(rng, side)[..., None]
    patch = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        line = _mask(shape, side, width=max(1.0, side * float(rng.uniform(0.02, 0.06))))
        darker = tone * rng.uniform(0.0, 0.5) if rng.random() < 0.6 else 255 - (255 - tone) * rng.uniform(0.0, 0.5)
        patch.paste(tuple(int(v) for v in darker), (0, 0), line)
    return patch


def _contrasting(rng: Generator, below: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    for _ in range(20):
        tone = rng.uniform(0, 255, 3).astype(np.float32)
        if np.abs(tone - below).sum() > 130:
            break
    return tone


def _texture(rng: Generator, side: int) -> npt.NDArray[np.float32]:
    """Stripes, checks or speckles, (side, side), some tens of grey values strong."""
    strength = float(rng.uniform(8, 30))
    kind = rng.integers(3)
    if kind == 2:
        return rng.normal(0, strength, (side, side)).astype(np.float32)
    period = max(3.0, side * float(rng.uniform(0.08, 0.3)))
    wave = np.sign(np.sin(np.arange(side, dtype=np.float32) * (2 * math.pi / period)))
    pattern = wave[:, None] * wave if kind else np.broadcast_to(wave, (side, side))
    return (pattern * strength).astype(np.float32)


def _camera(rng: Generator, picture: Image.Image, unit: float) -> Pixels:
    """Blur, exposure, noise and JPEG, each with some chance."""
    if rng.random() < 0.35:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1)) * unit))
    if rng.random() < 0.5:
        pixels = np.asarray(picture, dtype=np.float32)
        noise = _noise(rng, pixels.shape) * rng.uniform(2, 14)
        exposed = pixels * rng.uniform(0.7, 1.2) + rng.uniform(-15, 25)
        picture = Image.fromarray(np.clip(exposed + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=int(rng.integers(35, 95)))
        picture = Image.open(encoded).convert("RGB")
    return np.array(picture)


def _noise(rng: Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    # The sum of two bytes is close enough to a normal variable and ten times as fast to draw.
    raw = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    noise: npt.NDArray[np.float32] = (raw[0].astype(np.float32) + raw[1] - 255) / 104
    return noise


SAMPLE_SIZES = ((640, 480), (800, 600), (480, 640), (640, 640), (720, 540), (600, 800))


def _write(out: Path, count: int, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        width, height = SAMPLE_SIZES[index % len(SAMPLE_SIZES)]
        scene = draw_scene(SceneOptions(width, height, unit=max(width, height) / 320), seed, index)
        path = out / f"scene-{index + 1}.jpg"
        Image.fromarray(scene.pixels).save(path, quality=90)
        print(f"{path}: {', '.join(sorted(LABELS[kind] for kind in scene.class_ids))}")


def main() -> None:
    """Writes the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train.scenes", description="Writes scenes as JPEG pictures."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    _write(arguments.out, arguments.count, arguments.seed)


if __name__ == "__main__":
    main()
