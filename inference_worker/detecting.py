"""Running a micro-batch so that only the images at fault fail (rule 13)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from inference_worker.outcome import Found
from models.detector import DetectOptions, Detector, Prepared
from tenfold.contract.records import ItemError

log = logging.getLogger(__name__)


class DeviceLost(Exception):
    """The device answers nothing any more: no image is at fault, and only a new process helps."""


class CarefulDetector:
    """Runs a detector and, where it raises, halves the images until those at fault stand alone.

    ``images_max`` sinks when the device runs out of memory: later micro-batches are cut to it beforehand.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.images_max = 2**30

    def detect(self, images: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Found]:
        """What became of each image, in order. At most ``2 · n - 1`` runs for n images; each image's own are counted.

        Raises:
            DeviceLost: the device is of no use any more.
        """
        if len(images) > self.images_max:
            return self._halves(images, options)
        try:
            return [Found(found, None) for found in self._detector.detect(images, options)]
        except Exception as error:  # noqa: BLE001 - a model may raise anything; it must fail the images at fault alone
            return self._after(error, images, options)

    def _after(self, error: Exception, images: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Found]:
        if _device_is_lost(error):
            raise DeviceLost(str(error)) from error
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        if out_of_memory:
            torch.cuda.empty_cache()
        if len(images) == 1:
            return [Found(None, _failure(error))]
        if out_of_memory:
            self.images_max = len(images) // 2
        log.warning("%d images failed together (%s: %s): they run in halves", len(images), type(error).__name__, error)
        return [replace(found, attempts=found.attempts + 1) for found in self._halves(images, options)]

    def _halves(self, images: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Found]:
        half = len(images) // 2
        return self.detect(images[:half], options[:half]) + self.detect(images[half:], options[half:])


def _failure(error: Exception) -> ItemError:
    if isinstance(error, torch.OutOfMemoryError):
        return ItemError("out_of_memory", "the device has not enough memory for this image alone")
    return ItemError("model_error", f"the model failed on this image alone: {type(error).__name__}: {error}")


def _device_is_lost(error: Exception) -> bool:
    # A CUDA error other than missing memory stays with the process: every later call would raise it again.
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)
