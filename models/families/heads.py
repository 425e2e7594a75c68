"""The two heads: distances to the four edges with neither anchors nor objectness, and YOLOv5's anchors.

B is the batch, C the classes, A the candidates of all levels. Both heads answer in two steps, so that boxes are decoded
only for candidates that are sure enough of some class.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import Protocol

import torch
from torch import Tensor, nn

from models.families.blocks import Conv, Depthwise


@dataclass(frozen=True)
class Answer:
    """What a head says of a batch: ``boxes`` (B, A, K) undecoded, ``classes`` (B, A, C) logits, and where the head
    tells objects from background ``objects`` (B, A) logits, in the candidates' order.

    ``places`` (A, P) are what decoding needs to know of each candidate's place, in input pixels.
    """

    boxes: Tensor
    classes: Tensor
    places: Tensor
    objects: Tensor | None = None

    def best_scores(self) -> Tensor:
        """(B, A): the score of each candidate's best class."""
        return self._with_objects(self.classes.amax(-1).float().sigmoid(), ...)

    def scores(self, rows: tuple[Tensor, ...] | EllipsisType = ...) -> Tensor:
        """(..., C) in 0..1, of all candidates or of those that ``rows`` index."""
        return self._with_objects(self.classes[rows].float().sigmoid(), rows)

    def _with_objects(self, scores: Tensor, rows: tuple[Tensor, ...] | EllipsisType) -> Tensor:
        if self.objects is None:
            return scores
        objects = self.objects[rows].float().sigmoid()
        return scores * (objects if objects.ndim == scores.ndim else objects[..., None])


class DetectionHead(Protocol):
    """What the network asks of its last module."""

    def __call__(self, levels: list[Tensor]) -> Answer:
        """From the levels' features (B, C_l, H_l, W_l), the finest first."""
        ...

    def decode(self, boxes: Tensor, places: Tensor) -> Tensor:
        """Boxes (..., 4) xyxy in input pixels of rows (..., K) at their places (..., P)."""
        ...


class DistanceHead(nn.Module):
    """Each cell's edge is a distribution over ``bins`` distances in strides (Li et al. 2020, arXiv:2006.04388)."""

    def __init__(self, widths: list[int], strides: list[int], classes: int, bins: int, depthwise: bool) -> None:
        super().__init__()
        self.strides = strides
        inner_box = max(16, widths[0] // 4, bins * 4)
        inner_class = max(widths[0], min(classes, 100))
        self.cv2 = nn.ModuleList(_branch(width, inner_box, 4 * bins) for width in widths)
        class_branch = _depthwise_branch if depthwise else _branch
        self.cv3 = nn.ModuleList(class_branch(width, inner_class, classes) for width in widths)
        self.dfl = Expectation(bins)

    def forward(self, levels: list[Tensor]) -> Answer:
        """See :class:`DetectionHead`; K is 4 * bins, a place (x, y, stride)."""
        boxes = torch.cat([_as_rows(branch(level)) for branch, level in zip(self.cv2, levels, strict=True)], dim=1)
        classes = torch.cat([_as_rows(branch(level)) for branch, level in zip(self.cv3, levels, strict=True)], dim=1)
        places = [_cells(level, stride) for level, stride in zip(levels, self.strides, strict=True)]
        return Answer(boxes, classes, torch.cat(places))

    def decode(self, boxes: Tensor, places: Tensor) -> Tensor:
        """See :class:`DetectionHead`."""
        reach = self.dfl(boxes) * places[..., 2:]
        return torch.cat([places[..., :2] - reach[..., :2], places[..., :2] + reach[..., 2:]], dim=-1)


class Expectation(nn.Module):
    """The mean of each edge's distribution. Its distances (0, 1, 2, …) are part of the checkpoints."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(bins, 1, 1, bias=False)

    def forward(self, edges: Tensor) -> Tensor:
        """(..., 4 * bins) logits to (..., 4) distances in strides."""
        distances = self.conv.weight.flatten().float()
        shares = edges.float().reshape(*edges.shape[:-1], 4, len(distances)).softmax(-1)
        reach: Tensor = shares @ distances
        return reach


class AnchorHead(nn.Module):
    """Each cell has a few boxes of given sizes, that it moves and stretches and is sure of as such and by class."""

    def __init__(self, widths: list[int], strides: list[int], classes: int, anchors: int) -> None:
        super().__init__()
        self.strides = strides
        self.classes = classes
        self.m = nn.ModuleList(nn.Conv2d(width, anchors * (5 + classes), 1) for width in widths)
        self.register_buffer("anchors", torch.empty(len(widths), anchors, 2))
        self.anchors: Tensor

    def forward(self, levels: list[Tensor]) -> Answer:
        """See :class:`DetectionHead`; K is 4, a place (x, y, stride, anchor's width, its height)."""
        rows = torch.cat([self._rows(conv(level)) for conv, level in zip(self.m, levels, strict=True)], dim=1)
        places = [self._places(index, level) for index, level in enumerate(levels)]
        return Answer(rows[..., :4], rows[..., 5:], torch.cat(places), rows[..., 4])

    def decode(self, boxes: Tensor, places: Tensor) -> Tensor:
        """See :class:`DetectionHead`: centres reach half a cell beyond theirs, sides up to four times the anchor's."""
        shares = boxes.float().sigmoid()
        centres = (shares[..., :2] * 2 - 1) * places[..., 2:3] + places[..., :2]
        halves = (shares[..., 2:] * 2).square() * places[..., 3:] / 2
        return torch.cat([centres - halves, centres + halves], dim=-1)

    def _rows(self, level: Tensor) -> Tensor:
        """(B, anchors * (5 + C), H, W) to (B, anchors * H * W, 5 + C)."""
        batch, _, height, width = level.shape
        each = level.reshape(batch, self.anchors.shape[1], 5 + self.classes, height, width)
        return each.permute(0, 1, 3, 4, 2).flatten(1, 3)

    def _places(self, index: int, level: Tensor) -> Tensor:
        stride = self.strides[index]
        cells = _cells(level, stride)
        sizes = self.anchors[index].float() * stride
        return torch.cat([torch.cat([cells, size.expand(len(cells), 2)], dim=1) for size in sizes])


def _branch(c_in: int, inner: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(Conv(c_in, inner, 3), Conv(inner, inner, 3), nn.Conv2d(inner, c_out, 1))


def _depthwise_branch(c_in: int, inner: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(Depthwise(c_in, c_in, 3), Conv(c_in, inner)),
        nn.Sequential(Depthwise(inner, inner, 3), Conv(inner, inner)),
        nn.Conv2d(inner, c_out, 1),
    )


def _as_rows(level: Tensor) -> Tensor:
    """(B, K, H, W) to (B, H * W, K)."""
    return level.permute(0, 2, 3, 1).flatten(1, 2)


def _cells(level: Tensor, stride: int) -> Tensor:
    """(H * W, 3): x and y of the cells' middles and the stride, in input pixels, row by row."""
    height, width = level.shape[2:]
    y = (torch.arange(height, device=level.device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, device=level.device, dtype=torch.float32) + 0.5) * stride
    middles = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    return torch.cat([middles, middles.new_full((len(middles), 1), float(stride))], dim=1)
