from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.cores import Cores
from models.detector import DetectOptions
from models.registry import load


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_batch_is_cut_for_the_cores_that_there_are() -> None:
    """A batch is cut where each core gets a part, and they are about as long as each other."""
    cores = Cores()
    lengths = {images: [part.stop - part.start for part in cores.parts(images)] for images in (1, 2, 3, 5, 10)}
    assert lengths == {1: [1], 2: [1, 1], 3: [1, 2], 5: [2, 3], 10: [5, 5]}


def test_a_batch_that_would_leave_cores_idle_is_not_cut() -> None:
    """Where parts would differ much, or some cores get none, all cores share each layer instead."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        lengths = {images: len(Cores().parts(images)) for images in (2, 5, 7, 8, 10)}
    finally:
        torch.set_num_threads(before)
    assert lengths == {2: 1, 5: 1, 7: 4, 8: 4, 10: 4}


def test_one_thread_computes_a_batch_whole() -> None:
    """With a single core nothing is cut."""
    assert Cores().parts(10) == [slice(0, 10)]


@pytest.mark.usefixtures("two_threads")
def test_parts_come_back_in_order() -> None:
    """Whatever ends first, answers stand in the order of the batch."""
    cores = Cores()
    assert cores.run(lambda part: list(range(10))[part], cores.parts(10)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("images", "told"), [(10, [0, 1, 2]), (1, [1, 2])])
def test_idle_cores_are_told(images: int, told: list[int]) -> None:
    """Whoever listens hears how many cores are left, as parts begin and as each ends."""
    cores, heard = Cores(), list[int]()
    cores.listener = heard.append
    cores.run(lambda _: None, cores.parts(images))
    assert heard == told


def test_one_thread_tells_of_its_core() -> None:
    """With a single core none is idle while it computes, whatever comes of it."""
    cores, heard = Cores(), list[int]()
    cores.listener = heard.append
    with pytest.raises(ZeroDivisionError):
        cores.run(lambda _: 1 / 0, [slice(0, 1)])
    assert heard == [0, 1]


@pytest.mark.usefixtures("two_threads")
def test_a_part_that_fails_fails_the_batch() -> None:
    """What a part raises is raised to whoever asked for the batch."""

    def fail(part: slice) -> None:
        raise RuntimeError(f"part {part.start}")

    cores = Cores()
    with pytest.raises(RuntimeError, match="part 0"):
        cores.run(fail, cores.parts(6))


@pytest.mark.usefixtures("two_threads")
def test_a_batch_cut_in_parts_finds_what_each_image_alone_finds() -> None:
    """Cutting a batch changes no answer."""
    detector = load("demo")
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 320, 320), dtype=torch.uint8, generator=generator)
    images = [detector.prepare(image.roll(50 * number, 1), 320) for number in range(6)]
    options = DetectOptions(conf=0.01)
    together = detector.detect(images, [options] * 6)
    for found, one in zip(together, images, strict=True):
        (alone,) = detector.detect([one], [options])
        assert len(found) == len(alone)
        torch.testing.assert_close(found.boxes, alone.boxes, rtol=1e-3, atol=0.05)
