"""The network, top down: backbone, neck, head, and the decoding of what the head says into boxes.

Anchor-free: each cell of each level (strides 8, 16 and 32) says how far the four edges of a box are from its centre,
each as a distribution over ``bins`` distances in strides (Li et al. 2020, "Generalized Focal Loss", arXiv:2006.04388),
and how sure it is of each class. B is the batch, C the classes, A the cells of all levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.predictor import Candidates, Predictor
from models.yolo.config import YoloConfig
from models.yolo.layers import C2f, ConvUnit, Sppf

STRIDES = (8, 16, 32)
LOGIT_SLACK = 0.01
"""Lets a little too much pass, since a sigmoid rounds otherwise than its inverse; the exact test is the selection's."""


@dataclass(frozen=True)
class HeadOutput:
    """What the head says: ``edges`` (B, A, 4 * bins) logits, ``classes`` (B, A, C) logits.

    ``centres`` (A, 2) are the cells' middles in input pixels, ``strides`` (A, 1) their strides.
    """

    edges: Tensor
    classes: Tensor
    centres: Tensor
    strides: Tensor


class Backbone(nn.Module):
    """From a picture to what is where, ever coarser and ever richer."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = config.widths
        d4, d8, d16, d32 = config.depths
        self.stem = ConvUnit(3, w2, 3, 2)
        self.stage4 = nn.Sequential(ConvUnit(w2, w4, 3, 2), C2f(w4, w4, d4, shortcut=True))
        self.stage8 = nn.Sequential(ConvUnit(w4, w8, 3, 2), C2f(w8, w8, d8, shortcut=True))
        self.stage16 = nn.Sequential(ConvUnit(w8, w16, 3, 2), C2f(w16, w16, d16, shortcut=True))
        self.stage32 = nn.Sequential(ConvUnit(w16, w32, 3, 2), C2f(w32, w32, d32, shortcut=True), Sppf(w32))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to features (B, width, H / s, W / s) at strides s of 8, 16 and 32."""
        at8 = self.stage8(self.stage4(self.stem(x)))
        at16 = self.stage16(at8)
        return at8, at16, self.stage32(at16)


class Neck(nn.Module):
    """Carries meaning down to the fine levels and places back up to the coarse ones (PAN, arXiv:1803.01534)."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        _, _, w8, w16, w32 = config.widths
        n8, n16, n32 = config.neck
        self.down16 = C2f(w32 + w16, n16, 1, shortcut=False)
        self.down8 = C2f(n16 + w8, n8, 1, shortcut=False)
        self.halve8 = ConvUnit(n8, n8, 3, 2)
        self.up16 = C2f(n8 + n16, n16, 1, shortcut=False)
        self.halve16 = ConvUnit(n16, n16, 3, 2)
        self.up32 = C2f(n16 + w32, n32, 1, shortcut=False)

    def forward(self, at8: Tensor, at16: Tensor, at32: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The backbone's levels to as many of the same places, ``neck`` channels wide."""
        mid16 = self.down16(torch.cat([_doubled(at32), at16], dim=1))
        out8 = self.down8(torch.cat([_doubled(mid16), at8], dim=1))
        out16 = self.up16(torch.cat([self.halve8(out8), mid16], dim=1))
        out32 = self.up32(torch.cat([self.halve16(out16), at32], dim=1))
        return out8, out16, out32


class Head(nn.Module):
    """At each level one branch for the edges and one for the classes, that share nothing."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        self.edges = nn.ModuleList(_branch(width, config.head_box, 4 * config.bins) for width in config.neck)
        self.classes = nn.ModuleList(_branch(width, config.head_class, config.classes) for width in config.neck)
        self._start_unsure(config.classes)

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the edges (B, A, 4 * bins) and of the classes (B, A, C)."""
        edges = [_as_rows(branch(level)) for branch, level in zip(self.edges, levels, strict=True)]
        classes = [_as_rows(branch(level)) for branch, level in zip(self.classes, levels, strict=True)]
        return torch.cat(edges, dim=1), torch.cat(classes, dim=1)

    def _start_unsure(self, classes: int) -> None:
        """Biases that expect few objects, so that training does not begin by unlearning a million false ones."""
        for branch, stride in zip(self.classes, STRIDES, strict=True):
            assert isinstance(branch, nn.Sequential)
            assert isinstance(branch[-1], nn.Conv2d)
            bias = branch[-1].bias
            assert bias is not None
            nn.init.constant_(bias, math.log(5 / classes / (320 / stride) ** 2))


class Yolo(Predictor):
    """The whole network. ``forward`` is for training; ``predict`` gives boxes."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.neck = Neck(config)
        self.head = Head(config)

    def forward(self, x: Tensor) -> HeadOutput:
        """``x``: (B, 3, H, W) in 0..1, H and W multiples of 32."""
        edges, classes = self.head(self.neck(*self.backbone(x)))
        centres, strides = cells(x.shape[2], x.shape[3], x.device)
        return HeadOutput(edges, classes, centres, strides)

    def predict(self, x: Tensor, conf: float) -> list[Candidates]:
        """What each picture of ``x`` may hold: the cells that are at least about ``conf`` sure of some class.

        Few cells are, so boxes are decoded for those alone. All of it comes back to the CPU in one copy a tensor.
        """
        output: HeadOutput = self(x)
        sure = output.classes.amax(-1) >= _logit(conf) - LOGIT_SLACK
        picture, cell = sure.nonzero(as_tuple=True)
        boxes = decode_edges(output.edges[picture, cell], output.centres[cell], output.strides[cell]).cpu()
        scores = output.classes[picture, cell].float().sigmoid().cpu()
        counts = torch.bincount(picture, minlength=len(x)).tolist()
        pairs = zip(torch.split(boxes, counts), torch.split(scores, counts), strict=True)
        return [Candidates(*pair) for pair in pairs]

    def fuse(self) -> Self:
        """Folds all batch norms; for evaluation only. Returns itself."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvUnit):
                module.fuse()
        return self


def cells(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) and strides (A, 1), in input pixels, in the order of the head's rows."""
    centres, strides = [], []
    for stride in STRIDES:
        y = (torch.arange(height // stride, device=device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width // stride, device=device, dtype=torch.float32) + 0.5) * stride
        centres.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2))
        strides.append(torch.full((len(x) * len(y), 1), float(stride), device=device))
    return torch.cat(centres), torch.cat(strides)


def decode_edges(edges: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Boxes (..., 4) xyxy in input pixels: each edge is the expectation of its distribution.

    ``edges`` (..., 4 * bins) are logits of left, top, right and bottom; ``centres`` (..., 2) and ``strides`` (..., 1)
    are in pixels.
    """
    distributions = edges.float().reshape(*edges.shape[:-1], 4, edges.shape[-1] // 4).softmax(-1)
    distances = torch.arange(distributions.shape[-1], device=edges.device, dtype=torch.float32)
    reach = distributions @ distances * strides
    return torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=-1)


def _logit(probability: float) -> float:
    if probability <= 0 or probability >= 1:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def _branch(c_in: int, inner: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(ConvUnit(c_in, inner, 3), ConvUnit(inner, inner, 3), nn.Conv2d(inner, c_out, 1))


def _as_rows(level: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H * W, C)."""
    return level.permute(0, 2, 3, 1).flatten(1, 2)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
