"""Only images at fault fail (rule 13)."""

import pytest
import torch

from inference_worker.detecting import CarefulDetector, DeviceLost
from models.detector import DetectOptions, Prepared
from models.letterbox import Letterbox
from tests.unit.inference_worker.toy import POISON, Toy


def images(*poisoned: int, count: int = 10) -> list[Prepared]:
    box = Letterbox.of(8, 8, 64)
    colours = [POISON if index in poisoned else (1, 2, 3) for index in range(count)]
    return [Prepared(torch.tensor(colour, dtype=torch.uint8).reshape(3, 1, 1), box) for colour in colours]


def options(count: int = 10) -> list[DetectOptions]:
    return [DetectOptions()] * count


def test_nothing_fails() -> None:
    """A batch that runs costs one run."""
    toy = Toy()
    found = CarefulDetector(toy).detect(images(), options())
    assert toy.runs == [10]
    assert all(one.error is None and one.attempts == 1 for one in found)


@pytest.mark.parametrize("poisoned", [(0,), (9,), (4, 5), (0, 3, 6, 9), tuple(range(10))])
def test_those_at_fault_fail(poisoned: tuple[int, ...]) -> None:
    """Whichever images are at fault, they fail with the reason, and all others have their result."""
    toy = Toy()
    found = CarefulDetector(toy).detect(images(*poisoned), options())
    assert [index for index, one in enumerate(found) if one.error is not None] == list(poisoned)
    assert [index for index, one in enumerate(found) if one.detections is None] == list(poisoned)
    assert {one.error.code for one in found if one.error is not None} == {"model_error"}
    assert len(toy.runs) <= 19


def test_attempts_are_counted() -> None:
    """Each image knows how often it ran, the one at fault most often."""
    found = CarefulDetector(Toy()).detect(images(0, count=4), options(4))
    assert [one.attempts for one in found] == [3, 3, 2, 2]


def test_out_of_memory_makes_smaller_pieces() -> None:
    """When memory does not do for a batch, its halves run, and later batches are halved beforehand."""
    toy = Toy()

    def small_memory(_run: int) -> None:
        if toy.runs[-1] > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")

    toy.before = small_memory
    careful = CarefulDetector(toy)
    first = careful.detect(images(), options())
    second = careful.detect(images(), options())
    assert toy.runs == [10, 5, 5, 5, 5]
    assert all(one.error is None for one in [*first, *second])
    assert [one.attempts for one in second] == [1] * 10


def test_out_of_memory_for_one_image() -> None:
    """An image for which memory never does fails with that reason."""
    found = CarefulDetector(Toy(failure=torch.OutOfMemoryError("CUDA out of memory"))).detect(
        images(0, count=1), options(1)
    )
    assert found[0].error is not None
    assert found[0].error.code == "out_of_memory"


def test_a_lost_device_is_nobodys_fault() -> None:
    """A CUDA error that stays ends the worker and convicts no image."""
    with pytest.raises(DeviceLost, match="illegal memory access"):
        CarefulDetector(Toy(failure=RuntimeError("CUDA error: an illegal memory access"))).detect(images(2), options())
