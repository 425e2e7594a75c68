"""``python -m models.train.sample_data --out FOLDER``: draws a data set to try training with, in either layout.

Its classes are four that the demo model does not know. The scenes are drawn as the demo's are, and are as much a pure
function of seed and number.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.train.scenes import Scene, SceneOptions, draw_scene
from models.train.shapes import Shape


def _house() -> Shape:
    wall, eaves = 0.55, 0.75
    roof = [(-eaves, -0.1), (0.15, -0.9), (0.35, -0.7), (0.35, -0.95), (0.55, -0.95), (0.55, -0.5), (eaves, -0.1)]
    return (np.array([*roof, (wall, -0.1), (wall, 0.8), (-wall, 0.8), (-wall, -0.1)], dtype=np.float64),)


def _bolt() -> Shape:
    points = [(0.15, -1.0), (-0.55, 0.15), (-0.08, 0.15), (-0.25, 1.0), (0.55, -0.25), (0.08, -0.25), (0.5, -1.0)]
    return (np.array(points, dtype=np.float64) * 0.88,)


def _drop() -> Shape:
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    return (np.stack([0.62 * np.sin(t) * np.sin(t / 2) ** 1.5, -np.cos(t)], axis=1) * 0.95,)


def _fish() -> Shape:
    t = np.linspace(math.radians(160), math.radians(-160), 30)
    body = np.stack([0.62 * np.cos(t) + 0.33, 0.42 * np.sin(t)], axis=1)
    tail = np.array([(-0.92, -0.45), (-0.72, 0.0), (-0.92, 0.45)])
    return (np.concatenate([body, tail]),)


SHAPES: dict[str, Shape] = {"house": _house(), "bolt": _bolt(), "drop": _drop(), "fish": _fish()}
LABELS = tuple(SHAPES)


@dataclass(frozen=True)
class DrawOptions:
    """``train`` and ``val`` are amounts of pictures, ``side`` their longer side in pixels."""

    train: int = 240
    val: int = 60
    side: int = 480
    seed: int = 7

    def parts(self) -> Iterator[tuple[str, range]]:
        """Each part's name and the numbers of its scenes."""
        yield "train", range(self.train)
        yield "val", range(self.train, self.train + self.val)

    def scene(self, number: int) -> Scene:
        """Every third picture is portrait."""
        sides = (self.side, self.side * 3 // 4)
        width, height = sides[::-1] if number % 3 == 2 else sides
        shown = SceneOptions(width, height, self.side / 320, diameter_min=32, shapes=tuple(SHAPES.values()))
        return draw_scene(shown, self.seed, number)


def write_coco(folder: Path, options: DrawOptions) -> None:
    """``annotations/instances_train.json`` and ``…_val.json``, pictures in ``images/train`` and ``images/val``."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for part, numbers in options.parts():
        content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
        content["categories"] = [{"id": place + 1, "name": label} for place, label in enumerate(LABELS)]
        for number in numbers:
            scene = options.scene(number)
            name = _write_picture(folder / "images" / part, number, scene)
            height, width = scene.pixels.shape[:2]
            content["images"].append({"id": number, "file_name": name, "width": width, "height": height})
            for left, top, right, bottom, kind in _rows(scene):
                box = [left, top, right - left, bottom - top]
                size = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                key = len(content["annotations"]) + 1
                content["annotations"].append({"id": key, "image_id": number, "category_id": int(kind) + 1, **size})
        (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(content), encoding="utf-8")


def write_yolo(folder: Path, options: DrawOptions) -> None:
    """``data.yaml``, pictures in ``images/…`` and labels in ``labels/…``."""
    for part, numbers in options.parts():
        (folder / "labels" / part).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            scene = options.scene(number)
            name = _write_picture(folder / "images" / part, number, scene)
            height, width = scene.pixels.shape[:2]
            lines = [
                f"{int(kind)} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} "
                f"{(right - left) / width:.6f} {(bottom - top) / height:.6f}\n"
                for left, top, right, bottom, kind in _rows(scene)
            ]
            (folder / "labels" / part / name).with_suffix(".txt").write_text("".join(lines), encoding="utf-8")
    names = "".join(f"  {place}: {label}\n" for place, label in enumerate(LABELS))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{names}", encoding="utf-8")


def _write_picture(folder: Path, number: int, scene: Scene) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{number:05d}.jpg"
    Image.fromarray(scene.pixels).save(folder / name, quality=92)
    return name


def _rows(scene: Scene) -> list[list[float]]:
    """Left, top, right, bottom in pixels and the class id of each object."""
    return [[*box, float(kind)] for box, kind in zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True)]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train.sample_data", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--layout", choices=["coco", "yolo"], default="coco")
    parser.add_argument("--train", type=int, default=DrawOptions.train, help="pictures to learn from (240)")
    parser.add_argument("--val", type=int, default=DrawOptions.val, help="pictures to measure on (60)")
    parser.add_argument("--side", type=int, default=DrawOptions.side, help="their longer side in pixels (480)")
    parser.add_argument("--seed", type=int, default=DrawOptions.seed)
    given = parser.parse_args()
    write = write_coco if given.layout == "coco" else write_yolo
    write(given.out, DrawOptions(given.train, given.val, given.side, given.seed))
    print(f"{given.out}: {given.train} pictures to learn from, {given.val} to measure on; {', '.join(LABELS)}")


if __name__ == "__main__":
    main()
