"""The stream of training batches. Sample i is a pure function of the run's seed and i: stopping loses no place."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from models.train.dataset import Batch, Sample, collate
from models.train.datasets.faults import DataError
from models.train.own.augment import Augmentation, sample
from models.train.own.course import Course
from models.train.own.views import View, Views

AHEAD = 3
"""Batches that each worker process prepares ahead."""


class OwnDataset(Dataset[Sample]):
    """The samples of a whole run, over all its epochs."""

    def __init__(self, views: Views, course: Course, augmentation: Augmentation) -> None:
        self.views = views
        self.course = course
        self.augmentation = augmentation

    def __len__(self) -> int:
        return self.course.samples_per_epoch * self.course.epochs

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.course.seed, index, 1))
        options = self.augmentation
        if self.course.is_plain(self.course.epoch_of(index)):
            options = replace(options, mosaic=0.0)
        first = self.views[self.course.picture_of(index)]
        view = sample(rng, self.views.size, options, first, lambda: self.views[int(rng.integers(len(self.views)))])
        return _as_sample(view)


def _as_sample(view: View) -> Sample:
    image = torch.from_numpy(view.pixels).permute(2, 0, 1)
    return Sample(image, torch.from_numpy(view.boxes), torch.from_numpy(view.class_ids))


def batches(dataset: OwnDataset, first: int, workers: int) -> Iterator[Batch]:
    """Batches from sample ``first`` to the end of the run. Raises DataError for a picture that cannot be read."""
    loader: DataLoader[Sample] = DataLoader(
        dataset,
        dataset.course.batch,
        sampler=range(first, len(dataset)),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_leave_ctrl_c_to_the_parent,
        prefetch_factor=AHEAD if workers else None,
    )
    try:
        for batch in loader:
            assert isinstance(batch, Batch)
            yield batch
    except DataError as error:
        # From a worker process it comes with that process's traceback, which tells nobody anything.
        raise DataError(str(error).rsplit("DataError: ", 1)[-1].strip()) from error


def _leave_ctrl_c_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
