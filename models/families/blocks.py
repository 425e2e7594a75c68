"""The parts that these networks are made of.

Attributes are named as the published checkpoints name them (``conv``, ``bn``, ``cv1``, ``m``), so that a network's
state dict is theirs. B is the batch; C, H and W change where a block says so.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

NORM_MOMENTUM = 0.03
HEAD_CHANNELS = 64
"""Channels of one attention head."""


class Conv(nn.Module):
    """Convolution, batch norm, SiLU; padded so that a stride of 1 keeps the size."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, padding: int | None = None, groups: int = 1
    ) -> None:
        super().__init__()
        around = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, around, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c_out, momentum=NORM_MOMENTUM)
        self.act: nn.Module = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y

    def drop_norm(self) -> None:
        """Becomes what a fused checkpoint holds: a convolution with a bias and no norm, yet without numbers."""
        self.bn = nn.Identity()
        empty = torch.empty(self.conv.out_channels, device=self.conv.weight.device)
        self.conv.bias = nn.Parameter(empty, requires_grad=False)

    @torch.no_grad()
    def fuse(self) -> None:
        """Folds the batch norm into the convolution: the same output in evaluation, in one pass less."""
        norm = self.bn
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        self.bn = nn.Identity()
        self.conv.weight = nn.Parameter(self.conv.weight * scale[:, None, None, None], requires_grad=False)
        self.conv.bias = nn.Parameter(shift, requires_grad=False)


class Depthwise(Conv):
    """A convolution that mixes as few channels as its two widths allow."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride, groups=math.gcd(c_in, c_out))


class Bottleneck(nn.Module):
    """Two convolutions, with the input added where ``shortcut`` and the widths agree."""

    def __init__(self, c_in: int, c_out: int, shortcut: bool, kernels: tuple[int, int], share: float) -> None:
        super().__init__()
        hidden = int(c_out * share)
        self.cv1 = Conv(c_in, hidden, kernels[0])
        self.cv2 = Conv(hidden, c_out, kernels[1])
        self.adds = shortcut and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.adds else y


class C3(nn.Module):
    """Half of the channels go through bottlenecks, the other half around them."""

    def __init__(
        self, c_in: int, c_out: int, depth: int, shortcut: bool = True, kernels: tuple[int, int] = (1, 3)
    ) -> None:
        super().__init__()
        half = c_out // 2
        self.cv1 = Conv(c_in, half)
        self.cv2 = Conv(c_in, half)
        self.cv3 = Conv(2 * half, c_out)
        self.m = nn.Sequential(*(Bottleneck(half, half, shortcut, kernels, 1.0) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        y: Tensor = self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], dim=1))
        return y


class C2(nn.Module):
    """One half of a convolution's output goes through bottlenecks, the other half around them."""

    def __init__(self, c_in: int, c_out: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = c_out // 2
        self.cv1 = Conv(c_in, 2 * half)
        self.cv2 = Conv(2 * half, c_out)
        self.m = nn.Sequential(*(Bottleneck(half, half, shortcut, (3, 3), 1.0) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        through, around = self.cv1(x).chunk(2, dim=1)
        y: Tensor = self.cv2(torch.cat([self.m(through), around], dim=1))
        return y


class SplitStage(nn.Module):
    """Part of the channels goes through one step after another, and every step's output reaches the end."""

    def __init__(self, c_in: int, c_out: int, hidden: int, steps: list[nn.Module]) -> None:
        super().__init__()
        self.cv1 = Conv(c_in, 2 * hidden)
        self.cv2 = Conv((2 + len(steps)) * hidden, c_out)
        self.m = nn.ModuleList(steps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        parts = list(self.cv1(x).chunk(2, dim=1))
        for step in self.m:
            parts.append(step(parts[-1]))
        y: Tensor = self.cv2(torch.cat(parts, dim=1))
        return y


class C2f(SplitStage):
    """YOLOv8's stage: the steps are bottlenecks of two 3x3 convolutions."""

    def __init__(self, c_in: int, c_out: int, depth: int, shortcut: bool = False, share: float = 0.5) -> None:
        hidden = int(c_out * share)
        super().__init__(c_in, c_out, hidden, [Bottleneck(hidden, hidden, shortcut, (3, 3), 1.0) for _ in range(depth)])


class C3k2(SplitStage):
    """YOLO11's stage: the steps are bottlenecks of half the width, or where ``nested`` small C3 stages of two."""

    def __init__(self, c_in: int, c_out: int, depth: int, nested: bool = False, share: float = 0.5) -> None:
        hidden = int(c_out * share)
        steps: list[nn.Module] = [
            C3(hidden, hidden, 2, kernels=(3, 3)) if nested else Bottleneck(hidden, hidden, True, (3, 3), 0.5)
            for _ in range(depth)
        ]
        super().__init__(c_in, c_out, hidden, steps)


class Sppf(nn.Module):
    """Sees a wide surrounding cheaply: three max-pools in a row, all of them kept."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 5) -> None:
        super().__init__()
        half = c_in // 2
        self.cv1 = Conv(c_in, half)
        self.cv2 = Conv(4 * half, c_out)
        self.m = nn.MaxPool2d(kernel, stride=1, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        y: Tensor = self.cv2(torch.cat(parts, dim=1))
        return y


class Attention(nn.Module):
    """Every place looks at every other (Vaswani et al. 2017, arXiv:1706.03762), with keys of half a head's width.

    Places are told apart by a depthwise convolution of the values, which is added.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.value_width = channels // heads
        self.key_width = self.value_width // 2
        self.qkv = Conv(channels, channels + 2 * self.key_width * heads)
        self.proj = Conv(channels, channels)
        self.pe = Conv(channels, channels, 3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        batch, channels, height, width = x.shape
        joined = self.qkv(x).view(batch, self.heads, -1, height * width)
        query, key, value = joined.split([self.key_width, self.key_width, self.value_width], dim=2)
        weights = (query.transpose(2, 3) @ key * self.key_width**-0.5).softmax(dim=-1)
        seen = (value @ weights.transpose(2, 3)).view(batch, channels, height, width)
        y: Tensor = self.proj(seen + self.pe(value.reshape(batch, channels, height, width)))
        return y


class AttentionBlock(nn.Module):
    """Attention, then two 1x1 convolutions; each adds to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = Attention(channels, channels // HEAD_CHANNELS)
        self.ffn = nn.Sequential(Conv(channels, 2 * channels), Conv(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        x = x + self.attn(x)
        y: Tensor = x + self.ffn(x)
        return y


class C2psa(nn.Module):
    """Half of the channels go through attention blocks, the other half around them."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.width = channels // 2
        self.cv1 = Conv(channels, 2 * self.width)
        self.cv2 = Conv(2 * self.width, channels)
        self.m = nn.Sequential(*(AttentionBlock(self.width) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        around, through = self.cv1(x).split([self.width, self.width], dim=1)
        y: Tensor = self.cv2(torch.cat([around, self.m(through)], dim=1))
        return y


class Concat(nn.Module):
    """Puts its inputs' channels one after the other."""

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Tensors (B, C_i, H, W) to (B, sum of C_i, H, W)."""
        return torch.cat(inputs, dim=1)
