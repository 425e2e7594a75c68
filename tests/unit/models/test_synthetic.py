from __future__ import annotations

import time

import pytest
import torch

from models.detector import DetectOptions, Prepared
from models.synthetic import SyntheticDetector, SyntheticOptions

TRIES = 100


def _detector(base_ms: float, item_ms: float) -> SyntheticDetector:
    return SyntheticDetector("synthetic", SyntheticOptions(base_ms, item_ms))


def _batch(detector: SyntheticDetector, count: int) -> list[Prepared]:
    return [detector.prepare(torch.zeros(3, 480, 640, dtype=torch.uint8), 320)] * count


def _cost_ms(detector: SyntheticDetector, count: int) -> float:
    batch, options = _batch(detector, count), [DetectOptions()] * count
    started = time.perf_counter()
    detector.detect(batch, options)
    return (time.perf_counter() - started) * 1000


def _best_ms(detector: SyntheticDetector, count: int, wanted_ms: float) -> float:
    """What a batch costs at its best; on a busy machine many tries may be disturbed."""
    costs: list[float] = []
    while len(costs) < 3 or (min(costs) >= wanted_ms and len(costs) < TRIES):
        costs.append(_cost_ms(detector, count))
    return min(costs)


@pytest.mark.parametrize(("base_ms", "item_ms", "count"), [(20, 0, 3), (5, 4, 10), (0, 30, 1)])
def test_a_batch_costs_what_was_asked_for(base_ms: float, item_ms: float, count: int) -> None:
    """A batch takes base + item * n milliseconds, never less and, at its best, hardly more."""
    expected = base_ms + item_ms * count
    assert expected <= _best_ms(_detector(base_ms, item_ms), count, expected + 5) < expected + 5


def test_without_cost_it_takes_next_to_nothing() -> None:
    """A free model answers ten images within a millisecond or two."""
    assert _best_ms(_detector(0, 0), 10, 3) < 3


def test_it_finds_the_middle_of_each_image_and_says_that_it_is_synthetic() -> None:
    """The answer is one box of known place, score and label, the same each time."""
    detector = _detector(0, 0)
    assert detector.spec.synthetic
    assert detector.spec.labels == ("synthetic",)
    assert "synthetic" in detector.spec.description
    for found in detector.detect(_batch(detector, 2), [DetectOptions()] * 2):
        assert found.boxes.tolist() == [[160, 120, 480, 360]]
        assert found.scores.tolist() == [0.5]
        assert found.class_ids.tolist() == [0]


def test_each_image_has_its_own_options() -> None:
    """An image whose conf is above the made-up score gets no box, its neighbour does."""
    detector = _detector(0, 0)
    found = detector.detect(_batch(detector, 2), [DetectOptions(conf=0.9), DetectOptions()])
    assert [len(one) for one in found] == [0, 1]


def test_an_empty_batch_costs_nothing() -> None:
    """Nothing to do takes no base cost."""
    assert _detector(10_000, 0).detect([], []) == []


def test_a_size_that_is_not_served_is_refused() -> None:
    """The synthetic model has one size."""
    with pytest.raises(ValueError, match="no input size 640; it has 320"):
        _detector(0, 0).prepare(torch.zeros(3, 8, 8, dtype=torch.uint8), 640)


def test_options_must_match_the_images() -> None:
    """Two images with one set of options are a caller's mistake."""
    detector = _detector(0, 0)
    with pytest.raises(ValueError, match="2 images came with 1 options"):
        detector.detect(_batch(detector, 2), [DetectOptions()])
