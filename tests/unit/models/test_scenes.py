from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.detector import Detections
from models.train.dataset import SceneDataset, batches
from models.train.evaluate import held_out, measure_scenes
from models.train.scenes import SceneOptions, draw_scene
from models.train.shapes import LABELS, SHAPES, posed


def test_a_scene_is_the_same_each_time() -> None:
    """Seed and index decide a scene, and nothing else does."""
    options = SceneOptions(160, 120, unit=0.5)
    first, again, other = (draw_scene(options, 7, index) for index in (3, 3, 4))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.boxes, again.boxes)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("index", range(8))
def test_boxes_lie_within_the_picture_and_have_a_size(index: int) -> None:
    """Each object has a box of the picture's pixels, at least some pixels large, and a known class."""
    scene = draw_scene(SceneOptions(320, 240, unit=1), 11, index)
    assert scene.pixels.shape == (240, 320, 3)
    assert scene.pixels.dtype == np.uint8
    assert len(scene.boxes) == len(scene.class_ids) >= 1
    left, top, right, bottom = scene.boxes.T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (right <= 320).all()
    assert (bottom <= 240).all()
    assert (np.minimum(right - left, bottom - top) >= 5).all()
    assert set(scene.class_ids.tolist()) <= set(range(len(LABELS)))


@pytest.mark.parametrize("kind", range(len(LABELS)), ids=LABELS)
def test_a_shape_fills_much_of_its_disc_and_does_not_leave_it(kind: int) -> None:
    """Every shape reaches the disc's edge nearly, whatever its turn, and never crosses it."""
    for turn in (0.0, 0.7, 2.0):
        reach = np.linalg.norm(posed(SHAPES[kind], turn, 50, 1.0, mirrored=turn > 1)[0], axis=1).max()
        assert 40 <= reach <= 53


def test_shapes_differ_from_each_other() -> None:
    """No two classes have the same outline."""
    pictures = []
    for shape in SHAPES:
        mask = Image.new("1", (64, 64))
        for hole, path in enumerate(shape):
            ImageDraw.Draw(mask).polygon([(x * 30 + 32, y * 30 + 32) for x, y in path], fill=not hole)
        pictures.append(np.asarray(mask))
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            assert (first != second).mean() > 0.02


def test_training_data_go_on_where_they_were_left() -> None:
    """Batches from item n on are the same, whether the items before were drawn or not."""
    data = SceneDataset(seed=2, size=64, density=30)
    source = batches(data, 0, 3, workers=0)
    next(source)
    second, resumed = next(source), next(batches(data, 3, 3, workers=0))
    assert torch.equal(second.images, resumed.images)
    assert torch.equal(second.objects.boxes, resumed.objects.boxes)
    assert second.images.shape == (3, 3, 64, 64)


def test_the_measure_is_one_for_the_truth_and_falls_for_less() -> None:
    """The truth itself has an average precision of 1; without boxes, or with others' classes, it is 0."""
    scenes = list(held_out(6, seed=1))
    truth = [
        Detections(torch.from_numpy(s.boxes), torch.full((len(s.boxes),), 0.9), torch.from_numpy(s.class_ids))
        for s in scenes
    ]
    wrong = [Detections(one.boxes, one.scores, (one.class_ids + 1) % len(LABELS)) for one in truth]
    assert measure_scenes(scenes, truth, LABELS).at_50 == pytest.approx(1.0)
    assert measure_scenes(scenes, truth, LABELS).at_50_to_95 == pytest.approx(1.0)
    assert measure_scenes(scenes, wrong, LABELS).at_50 < 0.1
