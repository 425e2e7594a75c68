"""The course of a run, as arithmetic: which picture is when, how fast to learn, when to stop mixing pictures.

Everything follows from the number of samples so far, so that a run that was stopped goes on exactly where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

WARMUP_STEPS_MAX = 150
PLAIN_SHARE = 0.15
"""The last epochs show pictures as they are served, without mosaics."""


@dataclass(frozen=True)
class Course:
    """``epochs`` times over ``pictures`` in batches of ``batch``; an epoch's last batch is filled from its start."""

    pictures: int
    batch: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every picture at least once."""
        return math.ceil(self.pictures / self.batch)

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def samples_per_epoch(self) -> int:
        """Pictures that an epoch shows, some twice where the batches do not come out even."""
        return self.steps_per_epoch * self.batch

    def epoch_of(self, sample: int) -> int:
        """From 0."""
        return sample // self.samples_per_epoch

    def picture_of(self, sample: int) -> int:
        """Which picture the sample shows: each epoch has an order of its own."""
        epoch, place = divmod(sample, self.samples_per_epoch)
        return int(_order(self.seed, epoch, self.pictures)[place % self.pictures])

    def is_plain(self, epoch: int) -> bool:
        """Whether that epoch is one of the last, which mix no pictures."""
        return epoch >= self.epochs - max(1, round(self.epochs * PLAIN_SHARE))

    def rate_factor(self, step: int) -> float:
        """The share of the highest learning rate: up over the first steps, then down a half cosine to a hundredth."""
        warmup = max(1, min(WARMUP_STEPS_MAX, self.steps // 10))
        share = min(step / max(1, self.steps), 1.0)
        return min(1.0, (step + 1) / warmup) * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)

    def average_over(self) -> float:
        """Over how many steps the weights are averaged: a twentieth of the run, 10 to 500."""
        return min(500.0, max(10.0, self.steps / 20))


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, pictures: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, 0)).permutation(pictures)
