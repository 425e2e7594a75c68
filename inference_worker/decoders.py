"""A few threads that turn encoded images into a model's inputs while the main thread computes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import torch
from torch import Tensor

from inference_worker.decoding import DecodeError, decode_image
from models.detector import Detector, Prepared
from tenfold.contract.records import ItemError

GONE = ItemError("image_missing", "the image is no longer stored; submit it again")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One image ready to run, or why it is not. ``width`` and ``height`` are pixels after EXIF, None where unknown."""

    prepared: Prepared | None
    error: ItemError | None
    width: int | None
    height: int | None
    took_ms: float


class Decoders:
    """The pool. Torch runs single-threaded inside it: a second team of compute threads would slow the main one down.

    Args:
        detector: whose ``prepare`` fits the images.
        threads: how many, 1 or more.
        pixels_max: the most that an image may have, by its header.
    """

    def __init__(self, detector: Detector, threads: int, pixels_max: int) -> None:
        self._detector = detector
        self._pixels_max = pixels_max
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        all_up = Barrier(threads)
        for started in [self._pool.submit(_settle, all_up) for _ in range(threads)]:
            started.result()

    def start(self, images: Sequence[bytes | None], size: int) -> list[Future[Decoded]]:
        """Begin to decode ``images`` for an input of ``size``, in order; None stands for one that is not stored."""
        return [self._pool.submit(self._decode, raw, size) for raw in images]

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode(self, raw: bytes | None, size: int) -> Decoded:
        began = time.perf_counter()
        if raw is None:
            return Decoded(None, GONE, None, None, 0.0)
        try:
            pixels = decode_image(raw, self._pixels_max)
        except DecodeError as error:
            return Decoded(None, ItemError(error.code, str(error)), None, None, _ms_since(began))
        return self._prepare(pixels, size, began)

    def _prepare(self, pixels: Tensor, size: int, began: float) -> Decoded:
        _, height, width = pixels.shape
        try:
            prepared = self._detector.prepare(pixels, size)
        except Exception as error:  # noqa: BLE001 - a model may raise anything; it is this image's error, never the batch's
            failure = ItemError("model_error", f"the model refused the image: {type(error).__name__}: {error}")
            return Decoded(None, failure, width, height, _ms_since(began))
        return Decoded(prepared, None, width, height, _ms_since(began))


def _settle(all_up: Barrier) -> None:
    # Each thread sets its own count and reads it back, which makes torch remember it for this thread.
    torch.set_num_threads(1)
    torch.get_num_threads()
    all_up.wait()


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
