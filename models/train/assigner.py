"""Which cell learns which object: task-aligned assignment (Feng et al. 2021, "TOOD", arXiv:2108.07755).

A cell whose centre lies in an object's box is a candidate for it, and how well it suits is ``score ** alpha * iou **
beta`` with what the network says at that time. The best ``top`` candidates of an object learn it; a cell wanted by
several takes the one that its box overlaps most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Assignment:
    """What each cell shall learn. ``chosen`` (B, A) bool; ``boxes`` (B, A, 4) and ``scores`` (B, A, C) soft targets,
    zero where not chosen.
    """

    chosen: Tensor
    boxes: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Objects:
    """The objects of a batch, padded to G a picture: boxes (B, G, 4) xyxy in input pixels, class ids (B, G), and which
    rows are real (B, G) bool.
    """

    boxes: Tensor
    class_ids: Tensor
    real: Tensor

    def to(self, device: torch.device) -> Objects:
        """The same, on a device."""
        return Objects(self.boxes.to(device), self.class_ids.to(device), self.real.to(device))


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of every pair: (B, G, 4) and (B, A, 4), xyxy, to (B, G, A)."""
    low = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    high = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    shared = (high - low).clamp_(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1) for boxes in (first, second)]
    return shared / (areas[0][:, :, None] + areas[1][:, None, :] - shared + 1e-9)


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    centres: Tensor,
    objects: Objects,
    top: int = 9,
    alpha: float = 0.5,
    beta: float = 6.0,
) -> Assignment:
    """``scores`` (B, A, C) in 0..1 and ``boxes`` (B, A, 4) are the network's present answers, ``centres`` (A, 2)."""
    overlap = pairwise_iou(objects.boxes, boxes)
    picked = scores.transpose(1, 2).gather(1, objects.class_ids[:, :, None].expand(-1, -1, scores.shape[1]))
    candidate = _inside(centres, objects.boxes) & objects.real[:, :, None]
    fitness = picked.pow(alpha) * overlap.pow(beta) * candidate
    wanted = _best(fitness, top) & candidate
    owned = _without_rivals(wanted, overlap)
    return _targets(owned, overlap, fitness * owned, objects, scores.shape[2])


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """(B, G, A): whether the cell's centre lies in the box."""
    low = centres[None, None] - boxes[:, :, None, :2]
    high = boxes[:, :, None, 2:] - centres[None, None]
    return torch.minimum(low, high).amin(-1) > 0


def _best(fitness: Tensor, top: int) -> Tensor:
    rows = fitness.topk(min(top, fitness.shape[-1]), dim=-1).indices
    return torch.zeros_like(fitness, dtype=torch.bool).scatter_(-1, rows, True)


def _without_rivals(wanted: Tensor, overlap: Tensor) -> Tensor:
    """Leaves each cell to at most one object: of those that want it, the one it overlaps most."""
    first = (overlap + 1).mul(wanted).argmax(1, keepdim=True)
    return torch.zeros_like(wanted).scatter_(1, first, True) & wanted


def _targets(owned: Tensor, overlap: Tensor, fitness: Tensor, objects: Objects, classes: int) -> Assignment:
    chosen, owner = owned.any(1), owned.int().argmax(1)
    boxes = objects.boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    class_ids = objects.class_ids.gather(1, owner)
    # The best cell of an object shall reach the IoU that the object's best cell has; the others in proportion.
    scale = (overlap * owned).amax(-1, keepdim=True) / (fitness.amax(-1, keepdim=True) + 1e-9)
    weight = (fitness * scale).amax(1)
    scores = torch.zeros(*chosen.shape, classes, device=owned.device)
    scores.scatter_(2, class_ids[..., None], (weight * chosen)[..., None])
    return Assignment(chosen, boxes * chosen[..., None], scores)
