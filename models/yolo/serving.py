"""A network of ours or of a family that people bring, as a :class:`~models.detector.Detector`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.boxes import select
from models.cores import Cores, IdleListener
from models.detector import Detections, DetectOptions, ModelSpec, Prepared
from models.letterbox import Letterbox, fit
from models.predictor import Predictor

Fit = Callable[[Tensor, int], tuple[Tensor, Letterbox]]
"""Fits an image (3, H, W) uint8 to an input size."""


class YoloDetector:
    """Takes the network over: fuses it and moves it to the device, in half precision where that is a CUDA one and no
    ``dtype`` is given.

    ``fit_image`` brings images to the input in the way that the network was trained on.
    """

    def __init__(
        self,
        spec: ModelSpec,
        network: Predictor,
        device: torch.device,
        fit_image: Fit = fit,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.spec = spec
        self.fit_image = fit_image
        self.device = device
        self.dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
        self._cores = Cores()
        fused = network.fuse().requires_grad_(False)
        self.network = fused.to(device, self.dtype).to(memory_format=torch.channels_last)

    def tell_idle_cores(self, listener: IdleListener) -> None:
        """See :class:`~models.detector.TellsIdleCores`."""
        self._cores.listener = listener

    def prepare(self, image: Tensor, size: int) -> Prepared:
        """See :meth:`Detector.prepare <models.detector.Detector.prepare>`."""
        return Prepared(*self.fit_image(image, self.spec.check_size(size)))

    def warm(self, size: int, batch_sizes: Sequence[int]) -> None:
        """Runs each batch size twice on grey: the first run plans, the second may still allocate."""
        grey = self.prepare(torch.full((3, size, size), 114, dtype=torch.uint8), size)
        for batch_size in batch_sizes:
            for _ in range(2):
                self.detect([grey] * batch_size, [DetectOptions()] * batch_size)

    def detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        """One forward pass for the batch, or for each core's part of it, then each image's own selection."""
        _check(batch, options)
        if not batch:
            return []
        if self.device.type != "cpu":
            return self._detect(batch, options)
        parts = self._cores.parts(len(batch))
        found = self._cores.run(lambda rows: self._detect(batch[rows], options[rows]), parts)
        return [one for part in found for one in part]

    @torch.inference_mode()
    def _detect(self, batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> list[Detections]:
        least = min(option.conf for option in options)
        # Suppression of a few boxes is faster on the CPU than its launches on a GPU are.
        rows = zip(self.network.predict(self._input(batch), least), batch, options, strict=True)
        return [select(found.boxes, found.scores, image.letterbox, option) for found, image, option in rows]

    def _input(self, batch: Sequence[Prepared]) -> Tensor:
        """(B, 3, S, S) in 0..1: bytes travel to the device, and become numbers there."""
        _, height, width = batch[0].pixels.shape
        on_gpu = self.device.type == "cuda"
        shape = (len(batch), 3, height, width)
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu, memory_format=torch.channels_last)
        for row, image in zip(pixels, batch, strict=True):
            row.copy_(image.pixels)
        return pixels.to(self.device, non_blocking=on_gpu).to(self.dtype).div_(255)


def _check(batch: Sequence[Prepared], options: Sequence[DetectOptions]) -> None:
    if len(batch) != len(options):
        raise ValueError(f"{len(batch)} images came with {len(options)} options")
    if len({image.pixels.shape for image in batch}) > 1:
        raise ValueError(f"a batch is of one size, got {sorted({tuple(image.pixels.shape) for image in batch})}")
