"""From a network's raw answers to an image's objects: the second half of the pair with :mod:`models.letterbox`."""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import batched_nms

from models.detector import Detections, DetectOptions
from models.letterbox import Letterbox

CANDIDATES_MAX = 3000
"""Boxes that enter non-maximum suppression, the surest ones: its cost grows with their square."""


def select(boxes: Tensor, scores: Tensor, letterbox: Letterbox, options: DetectOptions) -> Detections:
    """The objects of one image.

    ``boxes`` (A, 4) xyxy in input pixels and ``scores`` (A, C) in 0..1. Each box counts with its best class; those
    below ``conf`` go, then per class those that overlap a surer one by more than ``iou``, then those beyond
    ``max_detections``.
    """
    best, class_ids = scores.max(dim=1)
    rows = (best >= options.conf).nonzero()[:, 0]
    if not len(rows):
        return Detections()
    best, class_ids, boxes = best[rows], class_ids[rows], boxes[rows]
    if len(best) > CANDIDATES_MAX:
        best, rows = best.topk(CANDIDATES_MAX)
        class_ids, boxes = class_ids[rows], boxes[rows]
    kept = batched_nms(boxes, best, class_ids, options.iou)
    return _within(letterbox, Detections(boxes[kept], best[kept], class_ids[kept]), options.max_detections)


def _within(letterbox: Letterbox, found: Detections, most: int) -> Detections:
    """In the image's pixels, clipped to it; what lay in the padding alone is nothing there."""
    boxes = letterbox.to_image(found.boxes)
    rows = (boxes[:, 2:] > boxes[:, :2]).all(1).nonzero()[:most, 0]
    return Detections(boxes[rows], found.scores[rows], found.class_ids[rows])
