from __future__ import annotations

import math

import pytest
import torch

from models.train.assigner import Objects, assign, pairwise_iou
from models.train.dataset import SceneDataset, collate
from models.train.loss import LossWeights, complete_iou, detection_loss, distribution_loss
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo, cells

CENTRES, STRIDES = cells(64, 64, torch.device("cpu"))


def _objects(*boxes: tuple[float, float, float, float], padding: int = 0) -> Objects:
    rows = torch.tensor([[*boxes, *[(0.0, 0.0, 0.0, 0.0)] * padding]])
    real = torch.tensor([[True] * len(boxes) + [False] * padding])
    return Objects(rows, torch.zeros(1, rows.shape[1], dtype=torch.int64), real)


def test_iou_of_known_boxes() -> None:
    """Equal boxes overlap wholly, disjoint ones not at all, half-covered ones by a third."""
    first = torch.tensor([[[0.0, 0, 10, 10]]])
    second = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30], [5, 0, 15, 10]]])
    assert pairwise_iou(first, second)[0, 0].tolist() == pytest.approx([1, 0, 1 / 3], abs=1e-6)


def test_complete_iou_is_one_for_equal_boxes_and_falls_with_distance() -> None:
    """CIoU is 1 for the same box, and less for a farther miss although IoU is 0 for both."""
    box = torch.tensor([[0.0, 0, 10, 10]]).repeat(3, 1)
    others = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [60, 0, 70, 10]])
    same, near, far = complete_iou(box, others).tolist()
    assert same == pytest.approx(1, abs=1e-4)
    assert 0 > near > far > -1


def test_distribution_loss_is_least_for_the_two_bins_around() -> None:
    """Weights of 0.7 and 0.3 on bins 2 and 3 are the best answer to a distance of 2.3."""
    logits = torch.full((1, 4, 8), -30.0)
    logits[..., 2], logits[..., 3] = math.log(0.7), math.log(0.3)
    best = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    assert distribution_loss(logits, torch.full((1, 4), 2.3)).item() == pytest.approx(best, abs=1e-4)
    assert distribution_loss(logits.roll(1, -1), torch.full((1, 4), 2.3)).item() > best


def test_distances_beyond_the_last_bin_are_held_at_it() -> None:
    """An object larger than the head can say gives a finite loss."""
    assert distribution_loss(torch.zeros(1, 4, 8), torch.full((1, 4), 99.0)).isfinite().all()


def test_cells_inside_an_object_learn_it() -> None:
    """Chosen cells lie in the object, at most ``top`` of them, and get its box and class."""
    objects = _objects((16, 16, 48, 48), padding=2)
    boxes = torch.cat([CENTRES - 12, CENTRES + 12], dim=1)[None]
    goal = assign(torch.full((1, len(CENTRES), 3), 0.1), boxes, CENTRES, objects, top=5)
    inside = CENTRES[goal.chosen[0]]
    assert 1 <= len(inside) <= 5
    assert ((inside > 16) & (inside < 48)).all()
    assert (goal.boxes[goal.chosen] == objects.boxes[0, 0]).all()
    assert goal.scores[..., 1:].sum() == 0
    assert float(goal.scores.max()) == pytest.approx(float(pairwise_iou(objects.boxes, boxes)[0, 0].max()), abs=1e-3)


def test_a_cell_wanted_twice_learns_the_object_it_overlaps_most() -> None:
    """Of two objects around one cell, the one that its box fits gets it."""
    objects = _objects((0, 0, 64, 64), (20, 20, 44, 44))
    boxes = torch.cat([CENTRES - 12, CENTRES + 12], dim=1)[None]
    goal = assign(torch.full((1, len(CENTRES), 1), 0.5), boxes, CENTRES, objects, top=len(CENTRES))
    middle = int((CENTRES - 32).norm(dim=1).argmin())
    assert goal.boxes[0, middle].tolist() == [20, 20, 44, 44]
    assert goal.chosen[0].sum() == len(CENTRES)


def test_a_picture_without_objects_teaches_silence() -> None:
    """With padding only, nothing is chosen, and the loss is finite and of the classes alone."""
    network = Yolo(YoloConfig(3))
    objects = Objects(torch.zeros(1, 2, 4), torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.bool))
    loss = detection_loss(network(torch.rand(1, 3, 64, 64)), objects, network.config.bins, LossWeights())
    assert loss.total.isfinite()
    assert loss.box == loss.edges == 0
    assert loss.classes > 0


def test_a_few_steps_on_one_batch_lower_the_loss() -> None:
    """The gradient leads down: twelve steps on two scenes lower the loss by a third."""
    torch.manual_seed(0)
    data = SceneDataset(seed=5, size=64, density=30)
    batch = collate([data[0], data[1]])
    network = Yolo(YoloConfig(10, widths=(8, 16, 16, 32, 32), neck=(16, 16, 32), head_box=16, head_class=16))
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(12):
        loss = detection_loss(network(batch.images / 255), batch.objects, network.config.bins, LossWeights())
        optimiser.zero_grad()
        loss.total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.total.item())
    assert losses[-1] < 0.7 * losses[0]
