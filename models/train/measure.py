"""COCO's measure of boxes against the truth: average precision, the mean over classes and over ten IoUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_coco_eval import COCO, COCOeval_faster

from models.detector import Detections, DetectOptions

OPTIONS = DetectOptions(conf=0.001, iou=0.7, max_detections=100)
"""Scores down to 0.001 and a suppression at IoU 0.7 are what COCO's measure expects."""


@dataclass(frozen=True)
class Truth:
    """What is in a picture of ``width`` x ``height`` pixels: boxes (n, 4) xyxy in pixels, class ids (n,)."""

    width: int
    height: int
    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """Average precisions in 0..1: at IoU 0.5, over IoU 0.5 to 0.95, and both by label. Where there is no object to find
    (of a label, or at all) they are nan.
    """

    at_50: float
    at_50_to_95: float
    by_label: dict[str, float]
    by_label_50_to_95: dict[str, float] = field(default_factory=dict)


def measure(truths: Sequence[Truth], found: Sequence[Detections], labels: Sequence[str]) -> Figures:
    """The figures of what was found in each picture."""
    truth = COCO(_truth(truths, labels), print_function=_silent)
    answers = _answers(found)
    if not answers:
        return _nothing_found(truths, labels)
    run: Any = COCOeval_faster(truth, truth.loadRes(answers), iouType="bbox", print_function=_silent)
    run.evaluate()
    run.accumulate()
    run.summarize()
    # precision: (IoU thresholds, recalls, labels, areas, limits); the last limit is 100, the first area is all.
    precision: npt.NDArray[np.float64] = run.eval["precision"][:, :, :, 0, -1]
    at_50 = {label: _mean(precision[0, :, i]) for i, label in enumerate(labels)}
    over_all = {label: _mean(precision[:, :, i]) for i, label in enumerate(labels)}
    return Figures(_known(run.stats[1]), _known(run.stats[0]), at_50, over_all)


def _nothing_found(truths: Sequence[Truth], labels: Sequence[str]) -> Figures:
    """COCO's tool takes no empty answer: what is there and is not found counts zero."""
    there = {int(kind) for truth in truths for kind in truth.class_ids}
    by_label = {label: 0.0 if i in there else float("nan") for i, label in enumerate(labels)}
    mean = 0.0 if there else float("nan")
    return Figures(mean, mean, by_label, dict(by_label))


def _mean(precision: npt.NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if len(known) else float("nan")


def _known(figure: float) -> float:
    return float(figure) if figure > -1 else float("nan")


def _truth(truths: Sequence[Truth], labels: Sequence[str]) -> dict[str, Any]:
    images = [{"id": i, "width": truth.width, "height": truth.height} for i, truth in enumerate(truths)]
    rows = [
        {"image_id": i, "category_id": int(kind), "iscrowd": 0, **_box(box)}
        for i, truth in enumerate(truths)
        for box, kind in zip(truth.boxes.tolist(), truth.class_ids, strict=True)
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
