from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.boxes import CANDIDATES_MAX, select
from models.detector import DetectOptions
from models.letterbox import Letterbox

WHOLE = Letterbox.of(320, 320, 320)


def _scores(*rows: tuple[float, float]) -> Tensor:
    return torch.tensor(rows)


def test_the_surest_come_first_and_the_unsure_go() -> None:
    """Boxes below conf are dropped, the others are sorted by score."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 90, 90]])
    found = select(boxes, _scores((0.5, 0.1), (0.2, 0.1), (0.3, 0.9)), WHOLE, DetectOptions(conf=0.25))
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    assert found.class_ids.tolist() == [1, 0]
    assert found.boxes.tolist() == [[50, 50, 90, 90], [0, 0, 10, 10]]


def test_of_two_boxes_on_one_object_the_surer_stays() -> None:
    """Overlap beyond iou suppresses within a class, and not between classes."""
    boxes = torch.tensor([[0.0, 0, 100, 100], [5, 0, 105, 100], [5, 0, 105, 100]])
    scores = _scores((0.9, 0.0), (0.8, 0.0), (0.0, 0.7))
    assert select(boxes, scores, WHOLE, DetectOptions(iou=0.7)).class_ids.tolist() == [0, 1]
    assert select(boxes, scores, WHOLE, DetectOptions(iou=0.95)).class_ids.tolist() == [0, 0, 1]


def test_no_more_than_max_detections_come_back() -> None:
    """The limit keeps the surest."""
    boxes = torch.arange(5.0)[:, None] * 50 + torch.tensor([0.0, 0, 10, 10])
    scores = torch.linspace(0.5, 0.9, 5)[:, None]
    found = select(boxes, scores, WHOLE, DetectOptions(max_detections=2))
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])


def test_boxes_come_back_in_pixels_of_the_image() -> None:
    """Boxes leave the letterbox: scaled, moved and clipped."""
    found = select(
        torch.tensor([[160.0, 40, 320, 300]]), torch.tensor([[0.9]]), Letterbox.of(640, 480, 320), DetectOptions()
    )
    assert found.boxes.tolist() == [[320, 0, 640, 480]]


def test_what_lies_in_the_padding_alone_is_dropped() -> None:
    """A box that no pixel of the image is in does not come back, nor does it count against the limit."""
    boxes = torch.tensor([[100.0, 5, 200, 30], [100, 100, 200, 200]])
    found = select(boxes, torch.tensor([[0.9], [0.8]]), Letterbox.of(640, 480, 320), DetectOptions(max_detections=1))
    assert found.boxes.tolist() == [[200, 120, 400, 320]]


def test_nothing_sure_gives_nothing() -> None:
    """No candidate gives empty records of the right shapes."""
    found = select(torch.zeros(4, 4), torch.zeros(4, 2), WHOLE, DetectOptions())
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.class_ids.dtype == torch.int64


def test_suppression_is_bounded_when_everything_is_let_in() -> None:
    """With conf 0 the surest candidates enter suppression and the rest do not."""
    boxes = torch.arange(2.0 * CANDIDATES_MAX)[:, None] * 3 + torch.tensor([0.0, 0, 1, 1])
    scores = torch.linspace(0, 1, 2 * CANDIDATES_MAX)[:, None]
    found = select(boxes, scores, Letterbox.of(99_999, 99_999, 99_999), DetectOptions(conf=0, max_detections=10**6))
    assert len(found) == CANDIDATES_MAX
    assert found.scores.min() >= 0.499


@pytest.mark.parametrize("wrong", [{"conf": 1.5}, {"iou": -0.1}, {"max_detections": 0}, {"conf": float("nan")}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """Options are checked where they are made."""
    with pytest.raises(ValueError, match="must be"):
        DetectOptions(**wrong)  # type: ignore[arg-type]
