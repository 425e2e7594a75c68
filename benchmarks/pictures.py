"""The pictures that everybody is given: scenes as the demo model knows them, as JPEG of a camera's proportions."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT, QUALITY = 640, 480, 85
SEED = 20261123


def pictures(folder: Path, count: int) -> list[bytes]:
    """``count`` encoded pictures, each another; drawn once and kept in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_picture(folder / f"{WIDTH}x{HEIGHT}-{index:03}.jpg", index) for index in range(count)]


def _picture(path: Path, index: int) -> bytes:
    if not path.exists():
        partial = path.with_suffix(".part")
        partial.write_bytes(_draw(index))
        partial.replace(path)
    return path.read_bytes()


def _draw(index: int) -> bytes:
    from models.train.scenes import SceneOptions, draw_scene

    scene = draw_scene(SceneOptions(WIDTH, HEIGHT, unit=WIDTH / 320), SEED, index)
    out = io.BytesIO()
    Image.fromarray(scene.pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
