"""The measure of a run: its val pictures through a detector as a worker serves it, against what is in them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from models.detector import Detections, Detector, ModelSpec, Prepared
from models.train.datasets.pixels import decode
from models.train.datasets.records import Picture
from models.train.measure import OPTIONS, Figures, Truth, measure
from models.yolo.network import STRIDES, Yolo
from models.yolo.serving import YoloDetector

BATCH = 10


class Scorer:
    """Measures detectors on the same pictures; their inputs are kept in memory as far as ``cache_bytes`` goes."""

    def __init__(self, pictures: Sequence[Picture], labels: Sequence[str], size: int, cache_bytes: int) -> None:
        self.pictures = pictures
        self.labels = tuple(labels)
        self.size = size
        self.kept_max = cache_bytes // (3 * size * size)
        self._kept: dict[int, Prepared] = {}

    def of_network(self, network: Yolo, device: torch.device) -> Figures:
        """Of a network in training, which stays as it is."""
        spec = ModelSpec("training", "", self.labels, (self.size,), max(STRIDES))
        return self.of_detector(YoloDetector(spec, copy.deepcopy(network).eval(), device))

    def of_detector(self, detector: Detector) -> Figures:
        """Raises DataError for a picture that cannot be read."""
        found: list[Detections] = []
        for first in range(0, len(self.pictures), BATCH):
            places = range(first, min(first + BATCH, len(self.pictures)))
            chunk = [self._prepared(detector, place) for place in places]
            found += detector.detect(chunk, [OPTIONS] * len(chunk))
        truths = [Truth(one.width, one.height, one.boxes, one.class_ids) for one in self.pictures]
        return measure(truths, found, self.labels)

    def _prepared(self, detector: Detector, place: int) -> Prepared:
        if place in self._kept:
            return self._kept[place]
        pixels = torch.from_numpy(decode(self.pictures[place].path)).permute(2, 0, 1)
        prepared = detector.prepare(pixels, self.size)
        if len(self._kept) < self.kept_max:
            self._kept[place] = prepared
        return prepared
