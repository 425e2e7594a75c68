"""The parts that the network is made of.

Convolution with batch norm and SiLU; the C2f stage (a cross-stage-partial block that keeps each bottleneck's output);
SPPF (three max-pools in a row). The shapes are those that the YOLO family has published since 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvUnit(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y

    @torch.no_grad()
    def fuse(self) -> None:
        """Folds the batch norm into the convolution: the same output in evaluation, in one pass less."""
        norm, conv = self.norm, self.conv
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
        self.norm = nn.Identity()


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, with the input added where ``shortcut``."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels, 3)
        self.second = ConvUnit(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        y: Tensor = self.second(self.first(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """Half of the channels go through ``depth`` bottlenecks, and every step's output reaches the end."""

    def __init__(self, c_in: int, c_out: int, depth: int, shortcut: bool) -> None:
        super().__init__()
        half = c_out // 2
        self.enter = ConvUnit(c_in, 2 * half)
        self.steps = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))
        self.leave = ConvUnit((2 + depth) * half, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        parts = list(self.enter(x).chunk(2, dim=1))
        for step in self.steps:
            parts.append(step(parts[-1]))
        y: Tensor = self.leave(torch.cat(parts, dim=1))
        return y


class Sppf(nn.Module):
    """Sees a wide surrounding cheaply: three 5x5 max-pools in a row, all of them kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.enter = ConvUnit(channels, half)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.leave = ConvUnit(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        y: Tensor = self.leave(torch.cat(parts, dim=1))
        return y
