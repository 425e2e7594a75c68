"""Scenes as training batches: drawn in a process of their own, ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.letterbox import fit
from models.train.assigner import Objects
from models.train.scenes import Scene, SceneOptions, draw_scene


@dataclass(frozen=True)
class Sample:
    """One picture (3, S, S) uint8, its boxes (n, 4) xyxy in input pixels and class ids (n,)."""

    image: Tensor
    boxes: Tensor
    class_ids: Tensor


@dataclass(frozen=True)
class Batch:
    """Pictures (B, 3, S, S) uint8 and their objects."""

    images: Tensor
    objects: Objects


class SceneDataset(Dataset[Sample]):
    """Endless scenes for training at ``size`` pixels. Item i is a pure function of (seed, i).

    A quarter of the scenes are drawn larger, of any proportion, and go through the same letterbox as a user's photo;
    the others are drawn at the network's size, which is cheaper and wastes no padding. Some of those show everything
    larger, as a photo does that is served at a larger input than the one trained on.
    """

    def __init__(self, seed: int, size: int, density: float) -> None:
        self.seed = seed
        self.size = size
        self.density = density

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index, 1))
        if rng.random() < 0.75:
            unit = float(rng.uniform(0.8, 1.25) if rng.random() < 0.7 else rng.uniform(1.25, 2.2))
            options = SceneOptions(self.size, self.size, unit=unit, density=self.density)
            return _sample(draw_scene(options, self.seed, index))
        zoom = float(rng.uniform(1.0, 2.2))
        narrow = float(rng.uniform(0.65, 1.0))
        sides = (round(self.size * zoom), round(self.size * zoom * narrow))
        width, height = sides if rng.random() < 0.5 else sides[::-1]
        options = SceneOptions(width, height, unit=zoom * float(rng.uniform(0.8, 1.25)), density=self.density)
        return _letterboxed(draw_scene(options, self.seed, index), self.size)


def _sample(scene: Scene) -> Sample:
    image = torch.from_numpy(scene.pixels).permute(2, 0, 1).contiguous()
    return Sample(image, torch.from_numpy(scene.boxes), torch.from_numpy(scene.class_ids))


def _letterboxed(scene: Scene, size: int) -> Sample:
    whole = _sample(scene)
    image, letterbox = fit(whole.image, size)
    return Sample(image, letterbox.to_input(whole.boxes), whole.class_ids)


def collate(samples: list[Sample]) -> Batch:
    """Stacks pictures and pads their objects to the most that one has, to one where none has any."""
    most = max(1, *(len(sample.boxes) for sample in samples))
    boxes, class_ids = torch.zeros(len(samples), most, 4), torch.zeros(len(samples), most, dtype=torch.int64)
    real = torch.zeros(len(samples), most, dtype=torch.bool)
    for i, sample in enumerate(samples):
        n = len(sample.boxes)
        boxes[i, :n], class_ids[i, :n], real[i, :n] = sample.boxes, sample.class_ids, True
    return Batch(torch.stack([sample.image for sample in samples]), Objects(boxes, class_ids, real))


def batches(dataset: SceneDataset, first: int, batch_size: int, workers: int = 1) -> Iterator[Batch]:
    """Batches from item ``first`` on, without end."""
    sampler = range(first, len(dataset))
    loader: DataLoader[Sample] = DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=3 if workers else None,
    )
    for batch in loader:
        assert isinstance(batch, Batch)
        yield batch
