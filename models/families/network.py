"""The network of a YOLO family: its rows one after the other, each reading what it names, the head last."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from models.families.blocks import Conv
from models.families.config import FamilyConfig
from models.families.heads import Answer, DetectionHead
from models.families.plan import plan
from models.predictor import Candidates, Predictor
from models.weights.state import load_strictly


class FamilyNetwork(Predictor):
    """``predict`` gives boxes; ``forward`` the head's answer. For evaluation only."""

    def __init__(self, config: FamilyConfig) -> None:
        """Raises ValueError for an architecture that is not known here."""
        super().__init__()
        layers = plan(config)
        self.config = config
        self.inputs = [layer.inputs for layer in layers]
        self.stride = layers[-1].stride
        self.model = nn.ModuleList(layer.make() for layer in layers)
        self._kept = {number for inputs in self.inputs for number in inputs}
        self._settle()

    @property
    def head(self) -> DetectionHead:
        """The last module."""
        head: DetectionHead = self.model[-1]  # type: ignore[assignment]
        return head

    def forward(self, x: Tensor) -> Answer:
        """``x``: (B, 3, H, W) in 0..1, H and W multiples of ``stride``."""
        kept: dict[int, Tensor] = {}
        for index, (module, inputs) in enumerate(zip(self.model[:-1], self.inputs[:-1], strict=True)):
            read = [kept[number] if number >= 0 else x for number in inputs]
            output = module(read if len(read) > 1 else read[0])
            if index in self._kept:
                kept[index] = output
        return self.head([kept[number] for number in self.inputs[-1]])

    def predict(self, x: Tensor, conf: float) -> list[Candidates]:
        """What each picture of ``x`` may hold: the candidates that are at least ``conf`` sure of some class.

        Few are, so boxes are decoded for those alone. All of it comes back to the CPU in one copy a tensor.
        """
        answer: Answer = self(x)
        rows = (answer.best_scores() >= conf).nonzero(as_tuple=True)
        boxes = self.head.decode(answer.boxes[rows], answer.places[rows[1]]).cpu()
        scores = answer.scores(rows).cpu()
        counts = torch.bincount(rows[0], minlength=len(x)).tolist()
        pairs = zip(torch.split(boxes, counts), torch.split(scores, counts), strict=True)
        return [Candidates(*pair) for pair in pairs]

    def everything(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All candidates, sure or not: boxes (B, A, 4) xyxy in input pixels and scores (B, A, C)."""
        answer: Answer = self(x)
        return self.head.decode(answer.boxes, answer.places), answer.scores()

    def fuse(self) -> Self:
        """Folds all batch norms. Returns itself."""
        self.eval()
        for module in self.modules():
            if isinstance(module, Conv):
                module.fuse()
        return self

    def _settle(self) -> None:
        """Gives every convolution what the config says of norms and activations."""
        linear = set(self.config.linear)
        for name, module in list(self.named_modules()):
            if isinstance(module, Conv):
                if name in linear:
                    module.act = nn.Identity()
                    linear.remove(name)
                if self.config.fused:
                    module.drop_norm()
                else:
                    module.bn = nn.BatchNorm2d(module.conv.out_channels, eps=self.config.norm_eps)
        if linear:
            raise ValueError(f"the architecture has no convolution {min(linear)[:80]!r}")


def outline(config: FamilyConfig) -> FamilyNetwork:
    """The network without any memory for its numbers. Raises ValueError for an architecture that is not known here."""
    with torch.device("meta"):
        return FamilyNetwork(config).eval().requires_grad_(False)


def parameters_of(network: nn.Module) -> int:
    """How many numbers it learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def build(config: FamilyConfig, state: dict[str, Tensor], source: str | Path) -> FamilyNetwork:
    """The network with its numbers, in single precision, on the CPU.

    Raises WeightsError where ``state`` is not exactly the network's, before any memory is taken, and ValueError for an
    architecture that is not known here.
    """
    network = outline(config)
    load_strictly(network, state, str(source))
    return network.requires_grad_(False)
