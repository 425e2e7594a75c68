"""A few threads that turn encoded images into a model's inputs while the main thread computes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Lock

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


class _Task:
    """Some images that one thread decodes, one after the other."""

    __slots__ = ("_decode", "decoded")

    def __init__(self, decode: Callable[[], list[Decoded]]) -> None:
        self._decode = decode
        self.decoded: Future[list[Decoded]] = Future()

    def run(self) -> None:
        """Decode, unless that has begun or was given up before."""
        if not self.decoded.set_running_or_notify_cancel():
            return
        try:
            self.decoded.set_result(self._decode())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the images is to hear of it
            self.decoded.set_exception(error)


class Decoding:
    """Images on their way, known by their positions in a batch."""

    def __init__(self, places: Mapping[int, tuple[_Task, int]], hurry: Callable[[], None] = lambda: None) -> None:
        self._places = places
        self.hurry = hurry
        """Begin now with what was to wait for idle cores."""

    def image(self, position: int) -> Decoded:
        """The image at ``position``, once it is ready."""
        task, offset = self._places[position]
        return task.decoded.result()[offset]

    def drop(self) -> None:
        """Let go of what has not begun."""
        for task, _ in self._places.values():
            task.decoded.cancel()
        self.hurry()  # what waited for idle cores ends at once


class Decoders:
    """The pool. Torch runs single-threaded inside it: a second team of compute threads would slow the main one down.

    Args:
        threads: how many, 1 or more.
        pixels_max: the most that an image may have, by its header.
    """

    def __init__(self, threads: int, pixels_max: int) -> None:
        self._pixels_max = pixels_max
        self._pool = calm_threads(threads, "decode")
        self._lock = Lock()
        self._parked: deque[_Task] = deque()
        self._idle = threads
        self._at_idle = 0

    def start(self, images: Mapping[int, bytes | None], detector: Detector, size: int) -> Decoding:
        """Begin to decode ``images``, by position, for ``detector``'s input of ``size``.

        None stands for an image that is not stored. Thumbnails are decoded at once, in the calling thread.
        """
        tasks, places = self._tasks(images, detector, size)
        if sum(len(raw or b"") for raw in images.values()) < TASK_BYTES:
            for task in tasks:
                task.run()  # thumbnails: to hand them to a thread costs as much as to decode some of them
        else:
            self._begin(tasks)
        return Decoding(places)

    def park(self, images: Mapping[int, bytes | None], detector: Detector, size: int) -> Decoding:
        """As :meth:`start`, but each task waits for a core that nothing is computed on, or to be hurried."""
        tasks, places = self._tasks(images, detector, size)
        with self._lock:
            self._parked.extend(tasks)
        self._offer()
        return Decoding(places, partial(self._hurry, tasks))

    def idle(self, cores: int) -> None:
        """Nothing is computed on ``cores`` cores from now on. Called from any thread; at first all are idle."""
        self._idle = cores
        if self._parked:
            self._offer()

    @property
    def parked(self) -> int:
        """How many tasks wait for an idle core."""
        return len(self._parked)

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tasks(
        self, images: Mapping[int, bytes | None], detector: Detector, size: int
    ) -> tuple[list[_Task], dict[int, tuple[_Task, int]]]:
        fit = partial(detector.prepare, size=size)
        tasks: list[_Task] = []
        places: dict[int, tuple[_Task, int]] = {}
        for group in _groups(images):
            tasks.append(_Task(partial(self._decode_all, [images[position] for position in group], fit)))
            places.update({position: (tasks[-1], offset) for offset, position in enumerate(group)})
        return tasks, places

    def _begin(self, tasks: Sequence[_Task]) -> None:
        for task in tasks:
            self._pool.submit(task.run)

    def _offer(self) -> None:
        """As many parked tasks as there are idle cores, one each."""
        with self._lock:
            while self._parked and self._at_idle < self._idle:
                self._at_idle += 1
                self._pool.submit(self._run_parked, self._parked.popleft())

    def _run_parked(self, task: _Task) -> None:
        task.run()
        with self._lock:
            self._at_idle -= 1
        self._offer()

    def _hurry(self, tasks: Sequence[_Task]) -> None:
        with self._lock:
            left = [task for task in tasks if task in self._parked]
            for task in left:
                self._parked.remove(task)
        self._begin(left)

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
