"""The threads that decode."""

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from inference_worker.decoders import TASK_BYTES, Decoders, _groups
from models.detector import Prepared
from tests.unit.inference_worker.toy import SIZE, Toy, picture


class Picky(Toy):
    def prepare(self, image: Tensor, size: int) -> Prepared:
        raise TypeError(f"no such picture: {tuple(image.shape)} for {size}")


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    """Two threads, images of up to 1000 pixels."""
    made = Decoders(2, 1000)
    yield made
    made.close()


def test_in_order(decoders: Decoders) -> None:
    """Each image comes out at its own place, with its size and time."""
    started = decoders.start({width: picture(width=width, height=7) for width in range(1, 30)}, Toy(), SIZE)
    done = [started.image(width) for width in range(1, 30)]
    assert [(one.width, one.height) for one in done] == [(width, 7) for width in range(1, 30)]
    assert all(one.prepared is not None and one.error is None and one.took_ms > 0 for one in done)


def test_errors_belong_to_images(decoders: Decoders) -> None:
    """A missing image, one too large and one that is none are errors of their own."""
    started = decoders.start({0: None, 3: picture(width=100, height=100), 5: b"text", 6: picture()}, Toy(), SIZE)
    done = [started.image(position) for position in (0, 3, 5, 6)]
    codes = [None if one.error is None else one.error.code for one in done]
    assert codes == ["image_missing", "too_many_pixels", "unsupported_image_format", None]


def test_thumbnails_share_a_task() -> None:
    """Small files are decoded several to a task, large ones each alone."""
    small, large = bytes(2_000), bytes(50_000)
    files = [small] * 10 + [large, None, large]
    assert [len(group) for group in _groups(dict(enumerate(files)))] == [9, 2, 2]


def test_thumbnails_are_decoded_by_who_asks_for_them(decoders: Decoders) -> None:
    """A few small images are not handed to another thread; larger ones are."""

    class Watched(Toy):
        def prepare(self, image: Tensor, size: int) -> Prepared:
            threads.append(threading.get_ident())
            return super().prepare(image, size)

    threads: list[int] = []
    decoders.start({0: picture(), 1: picture()}, Watched(), SIZE)
    assert threads == [threading.get_ident()] * 2
    decoders.start({0: picture() + bytes(TASK_BYTES)}, Watched(), SIZE).image(0)
    assert threads[2] != threading.get_ident()


def test_a_model_that_refuses() -> None:
    """An exception in the model's own preparation is that image's error, with its size known."""
    decoders = Decoders(1, 1000)
    done = decoders.start({4: picture()}, Picky(), SIZE).image(4)
    decoders.close()
    assert done.error is not None
    assert done.error.code == "model_error"
    assert "no such picture" in done.error.message
    assert (done.width, done.height) == (32, 24)


def test_parked_images_wait_for_idle_cores(decoders: Decoders) -> None:
    """What is parked is decoded by as many threads as cores are idle, and none of it before one is."""
    decoders.idle(0)
    parked = decoders.park({place: picture() + bytes(TASK_BYTES) for place in range(6)}, Toy(), SIZE)
    assert decoders.parked == 6
    decoders.idle(1)
    assert [parked.image(place).width for place in range(6)] == [32] * 6
    assert decoders.parked == 0


def test_parked_images_can_be_hurried(decoders: Decoders) -> None:
    """A batch that is claimed has its images decoded whatever is computed; others go on waiting."""
    decoders.idle(0)
    other = decoders.park({0: picture()}, Toy(), SIZE)
    claimed = decoders.park({0: picture(), 1: picture()}, Toy(), SIZE)
    claimed.hurry()
    assert [claimed.image(place).width for place in (0, 1)] == [32, 32]
    assert decoders.parked == 1
    other.drop()
    assert decoders.parked == 0


def test_torch_is_single_threaded_in_there() -> None:
    """Decoding threads never start a team of compute threads, whatever the main thread is set to afterwards."""
    before = torch.get_num_threads()
    decoders = Decoders(2, 1000)
    torch.set_num_threads(2)
    try:
        seen = {decoders._pool.submit(torch.get_num_threads).result() for _ in range(8)}
    finally:
        torch.set_num_threads(before)
        decoders.close()
    assert seen == {1}
