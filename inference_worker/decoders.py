"""A few threads that turn encoded images into a model's inputs while the main thread computes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from inference_worker.calm import calm_threads
from inference_worker.decoding import DecodeError, decode_image
from models.detector import Detector, Prepared
from tenfold.contract.records import ItemError

TASK_BYTES = 16 * 1024
"""A decoding task takes images until it has so many encoded bytes."""

_Fit = Callable[[Tensor], Prepared]

GONE = ItemError("image_missing", "the image is no longer stored; submit it again")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One image ready to run, or why it is not. ``width`` and ``height`` are pixels after EXIF, None where unknown."""

    prepared: Prepared | None
    error: ItemError | None
    width: int | None
    height: int | None
    took_ms: float


class Decoding:
    """Images on their way, known by their positions in a batch."""

    def __init__(self, places: Mapping[int, tuple[Future[list[Decoded]], int]]) -> None:
        self._places = places

    def image(self, position: int) -> Decoded:
        """The image at ``position``, once it is ready."""
        future, offset = self._places[position]
        return future.result()[offset]

    def drop(self) -> None:
        """Let go of what has not begun."""
        for future, _ in self._places.values():
            future.cancel()


class Decoders:
    """The pool. Torch runs single-threaded inside it: a second team of compute threads would slow the main one down.

    Args:
        threads: how many, 1 or more.
        pixels_max: the most that an image may have, by its header.
    """

    def __init__(self, threads: int, pixels_max: int) -> None:
        self._pixels_max = pixels_max
        self._pool = calm_threads(threads, "decode")

    def start(self, images: Mapping[int, bytes | None], detector: Detector, size: int) -> Decoding:
        """Begin to decode ``images``, by position, for ``detector``'s input of ``size``.

        None stands for an image that is not stored.
        """
        fit = partial(detector.prepare, size=size)
        places: dict[int, tuple[Future[list[Decoded]], int]] = {}
        for group in _groups(images):
            future = self._pool.submit(self._decode_all, [images[position] for position in group], fit)
            places.update({position: (future, offset) for offset, position in enumerate(group)})
        return Decoding(places)

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode_all(self, images: Sequence[bytes | None], fit: _Fit) -> list[Decoded]:
        return [self._decode(raw, fit) for raw in images]

    def _decode(self, raw: bytes | None, fit: _Fit) -> Decoded:
        began = time.perf_counter()
        if raw is None:
            return Decoded(None, GONE, None, None, 0.0)
        try:
            pixels = decode_image(raw, self._pixels_max)
        except DecodeError as error:
            return Decoded(None, ItemError(error.code, str(error)), None, None, _ms_since(began))
        return _prepare(pixels, fit, began)


def _prepare(pixels: Tensor, fit: _Fit, began: float) -> Decoded:
    _, height, width = pixels.shape
    try:
        prepared = fit(pixels)
    except Exception as error:  # noqa: BLE001 - a model may raise anything; it is this image's error, never the batch's
        failure = ItemError("model_error", f"the model refused the image: {type(error).__name__}: {error}")
        return Decoded(None, failure, width, height, _ms_since(began))
    return Decoded(prepared, None, width, height, _ms_since(began))


def _groups(images: Mapping[int, bytes | None]) -> Iterator[list[int]]:
    """Positions that one task decodes: a photo alone, thumbnails together; a task costs as much as one of them."""
    group: list[int] = []
    group_bytes = 0
    for position, raw in images.items():
        group.append(position)
        group_bytes += len(raw or b"")
        if group_bytes >= TASK_BYTES:
            yield group
            group, group_bytes = [], 0
    if group:
        yield group


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
