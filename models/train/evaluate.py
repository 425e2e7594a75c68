"""``python -m models.train.evaluate --scenes 500``: COCO's measure of a model on fresh scenes.

Scenes are drawn at photo sizes and go through the detector as a user's photo does: letterbox, network, suppression.
Their seed is never a training seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from models.detector import Detections, Detector
from models.registry import load
from models.train.measure import OPTIONS, Figures, Truth, measure
from models.train.scenes import SAMPLE_SIZES, Scene, SceneOptions, draw_scene

HELD_OUT_SEED = 20_261_123
BATCH = 10


def held_out(count: int, seed: int = HELD_OUT_SEED) -> Iterator[Scene]:
    """Scenes of six photo sizes in turn, their longer side standing for the network's 320 pixels."""
    for index in range(count):
        width, height = SAMPLE_SIZES[index % len(SAMPLE_SIZES)]
        yield draw_scene(SceneOptions(width, height, unit=max(width, height) / 320), seed, index)


def evaluate(detector: Detector, scenes: Sequence[Scene], size: int) -> Figures:
    """Runs the detector at an input size over the scenes and measures it."""
    found: list[Detections] = []
    for first in range(0, len(scenes), BATCH):
        chunk = [detector.prepare(_image(scene), size) for scene in scenes[first : first + BATCH]]
        found += detector.detect(chunk, [OPTIONS] * len(chunk))
    return measure_scenes(scenes, found, detector.spec.labels)


def measure_scenes(scenes: Sequence[Scene], found: Sequence[Detections], labels: Sequence[str]) -> Figures:
    """COCO's average precision of what was found in scenes."""
    truths = [Truth(s.pixels.shape[1], s.pixels.shape[0], s.boxes, s.class_ids) for s in scenes]
    return measure(truths, found, labels)


def _image(scene: Scene) -> Tensor:
    return torch.from_numpy(scene.pixels).permute(2, 0, 1)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train.evaluate", description=__doc__)
    parser.add_argument("--model", default="demo", help="a model's name or the path of its weights")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--sizes", type=int, nargs="*", help="input sizes; the model's default where missing")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    detector = load(arguments.model, arguments.device)
    scenes = list(held_out(arguments.scenes, arguments.seed))
    print(f"{detector.spec.name} {detector.spec.version}, {len(scenes)} scenes of seed {arguments.seed}")
    for size in arguments.sizes or detector.spec.sizes[:1]:
        figures = evaluate(detector, scenes, size)
        print(f"at {size} px: mAP50 {figures.at_50:.4f}   mAP50-95 {figures.at_50_to_95:.4f}")
        print("  " + "  ".join(f"{label} {figure:.3f}" for label, figure in figures.by_label.items()))


if __name__ == "__main__":
    main()
