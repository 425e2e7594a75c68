"""What training makes small: class error, box error (CIoU) and edge distribution error, over assigned cells.

CIoU: Zheng et al. 2020, arXiv:1911.08287. Distribution focal loss: Li et al. 2020, arXiv:2006.04388.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.train.assigner import Assignment, Objects, assign
from models.yolo.network import HeadOutput, decode_edges


@dataclass(frozen=True)
class LossWeights:
    """What each part of the loss counts; box counts most, since its error is the smallest number."""

    box: float = 7.5
    classes: float = 0.5
    edges: float = 1.5


@dataclass(frozen=True)
class Loss:
    """Scalars. ``total`` carries the gradient, the parts are for people."""

    total: Tensor
    box: float
    classes: float
    edges: float


def detection_loss(output: HeadOutput, objects: Objects, bins: int, weights: LossWeights) -> Loss:
    """The loss of what the head said about a batch whose objects are known; ``bins`` as the network has them."""
    boxes = decode_edges(output.edges, output.centres, output.strides)
    goal = assign(output.classes.detach().float().sigmoid(), boxes.detach(), output.centres, objects)
    amount = goal.scores.sum().clamp(min=1)
    classes = functional.binary_cross_entropy_with_logits(output.classes.float(), goal.scores, reduction="sum") / amount
    box, edges = _placement(output, boxes, goal, bins, amount)
    total = weights.box * box + weights.classes * classes + weights.edges * edges
    return Loss(total, float(box.detach()), float(classes.detach()), float(edges.detach()))


def _placement(output: HeadOutput, boxes: Tensor, goal: Assignment, bins: int, amount: Tensor) -> tuple[Tensor, Tensor]:
    """Box and edge errors of the chosen cells, each weighted with the score that it shall reach."""
    chosen = goal.chosen
    if not chosen.any():
        nothing = boxes.sum() * 0
        return nothing, nothing
    weight = goal.scores.sum(-1)[chosen]
    box = ((1 - complete_iou(boxes[chosen], goal.boxes[chosen])) * weight).sum() / amount
    centres = output.centres.expand(len(chosen), -1, -1)[chosen]
    strides = output.strides.expand(len(chosen), -1, -1)[chosen]
    wanted = torch.cat([centres - goal.boxes[chosen][:, :2], goal.boxes[chosen][:, 2:] - centres], dim=1) / strides
    edges = (distribution_loss(output.edges[chosen].view(-1, 4, bins), wanted) * weight).sum() / amount
    return box, edges


def distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy with the two bins around each true distance: (N, 4, bins) and (N, 4) in strides, to (N,)."""
    bins = logits.shape[-1]
    distances = distances.clamp(0, bins - 1 - 0.01)
    below = distances.long()
    share = distances - below
    logs = logits.float().log_softmax(-1)
    low = logs.gather(-1, below[..., None])[..., 0]
    high = logs.gather(-1, below[..., None] + 1)[..., 0]
    return -(low * (1 - share) + high * share).mean(-1)


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """CIoU of matching rows, (N, 4) xyxy each, to (N,): IoU less distance of centres and difference in shape."""
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    size_1, size_2 = first[:, 2:] - first[:, :2], second[:, 2:] - second[:, :2]
    iou = shared / (size_1.prod(-1) + size_2.prod(-1) - shared + 1e-7)
    hull = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    apart = (first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]) / 2
    angles = [torch.atan(size[:, 0] / (size[:, 1] + 1e-7)) for size in (size_1, size_2)]
    shape = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    with torch.no_grad():
        balance = shape / (shape - iou + 1 + 1e-7)
    return iou - apart.square().sum(-1) / (hull.square().sum(-1) + 1e-7) - balance * shape
