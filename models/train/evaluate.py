"""``python -m models.train.evaluate --scenes 500``: COCO's measure of a model on fresh scenes.

Scenes are drawn at photo sizes and go through the detector as a user's photo does: letterbox, network, suppression.
Their seed is never a training seed. Scores down to 0.001 and a suppression at IoU 0.7 are what COCO's measure expects.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from models.detector import Detections, DetectOptions, Detector
from models.registry import load
from models.train.scenes import SAMPLE_SIZES, Scene, SceneOptions, draw_scene

HELD_OUT_SEED = 20_261_123
OPTIONS = DetectOptions(conf=0.001, iou=0.7, max_detections=100)
BATCH = 10


@dataclass(frozen=True)
class Figures:
    """Average precisions in 0..1: at IoU 0.5, over IoU 0.5 to 0.95, and at 0.5 by label."""

    at_50: float
    at_50_to_95: float
    by_label: dict[str, float]


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
    return measure(scenes, found, detector.spec.labels)


def measure(scenes: Sequence[Scene], found: Sequence[Detections], labels: Sequence[str]) -> Figures:
    """COCO's average precision of what was found."""
    truth = COCO(_truth(scenes, labels), print_function=_silent)
    answers = truth.loadRes(_answers(found))
    run: Any = COCOeval_faster(truth, answers, iouType="bbox", print_function=_silent)
    run.evaluate()
    run.accumulate()
    run.summarize()
    # precision: (IoU thresholds, recalls, labels, areas, limits); the last limit is 100, the first area is all.
    precision: np.ndarray[Any, np.dtype[np.float64]] = run.eval["precision"][0, :, :, 0, -1]
    by_label = {label: float(_mean(precision[:, i])) for i, label in enumerate(labels)}
    return Figures(float(run.stats[1]), float(run.stats[0]), by_label)


def _mean(precision: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if len(known) else float("nan")


def _image(scene: Scene) -> Tensor:
    return torch.from_numpy(scene.pixels).permute(2, 0, 1)


def _truth(scenes: Sequence[Scene], labels: Sequence[str]) -> dict[str, Any]:
    images = [{"id": i, "width": s.pixels.shape[1], "height": s.pixels.shape[0]} for i, s in enumerate(scenes)]
    rows = [
        {"image_id": i, "category_id": int(kind), "iscrowd": 0, **_box(box)}
        for i, scene in enumerate(scenes)
        for box, kind in zip(scene.boxes.tolist(), scene.class_ids, strict=True)
    ]
    categories = [{"id": i, "name": label} for i, label in enumerate(labels)]
    annotations = [{"id": i + 1, **row} for i, row in enumerate(rows)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _answers(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        {"image_id": i, "category_id": kind, "score": score, **_box(box)}
        for i, one in enumerate(found)
        for box, score, kind in zip(one.boxes.tolist(), one.scores.tolist(), one.class_ids.tolist(), strict=True)
    ]


def _box(box: Sequence[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}


def _silent(*_: object) -> None:
    """COCO's own tables go nowhere: ours is printed."""


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
