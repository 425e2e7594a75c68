"""The shipped model, through the same door that a worker uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from models.detector import Detections, DetectOptions, Detector
from models.registry import DEMO_WEIGHTS, load
from models.train.evaluate import held_out
from models.train.scenes import Scene, SceneOptions, draw_scene
from models.train.shapes import LABELS
from models.yolo.serving import YoloDetector


@pytest.fixture(scope="module")
def demo() -> Detector:
    return load("demo")


def _image(scene: Scene) -> Tensor:
    return torch.from_numpy(scene.pixels).permute(2, 0, 1)


def _detect(detector: Detector, scene: Scene, size: int = 320, options: DetectOptions | None = None) -> Detections:
    return detector.detect([detector.prepare(_image(scene), size)], [options or DetectOptions()])[0]


def _share_found(scene: Scene, found: Detections) -> float:
    overlap = box_iou(torch.from_numpy(scene.boxes), found.boxes)
    same = torch.from_numpy(scene.class_ids)[:, None] == found.class_ids[None]
    return float(((overlap >= 0.5) & same).any(1).float().mean())


def test_it_ships_with_weights_that_are_small() -> None:
    """The weights are in the repository and under 16 MB."""
    assert DEMO_WEIGHTS.stat().st_size < 16e6


def test_it_finds_the_objects_of_fresh_scenes(demo: Detector) -> None:
    """Of the objects in six held-out scenes nearly all are found, in the pixels of the scene."""
    scenes = list(held_out(6))
    assert np.mean([_share_found(scene, _detect(demo, scene)) for scene in scenes]) >= 0.85


@pytest.fixture(scope="module")
def crowd(demo: Detector) -> list[tuple[Scene, Detections]]:
    """Twenty scenes of objects that are not small, with what was found in them."""
    scenes = [draw_scene(SceneOptions(320, 320, diameter_min=35), 99, index) for index in range(20)]
    batch = [demo.prepare(_image(scene), 320) for scene in scenes]
    return list(zip(scenes, demo.detect(batch, [DetectOptions()] * len(batch)), strict=True))


@pytest.mark.parametrize("label", LABELS)
def test_it_knows_each_of_its_shapes(crowd: list[tuple[Scene, Detections]], label: str) -> None:
    """Of the objects of each class, most are found as what they are."""
    kind = LABELS.index(label)
    hits = []
    for scene, found in crowd:
        rows = scene.class_ids == kind
        if rows.any():
            hits.append(_share_found(Scene(scene.pixels, scene.boxes[rows], scene.class_ids[rows]), found))
    assert len(hits) >= 5
    assert np.mean(hits) >= 0.75


@pytest.mark.parametrize("size", [256, 320, 416, 640])
def test_it_finds_them_at_every_size_that_it_offers(demo: Detector, size: int) -> None:
    """Boxes are in the image's pixels whatever the input size is."""
    assert size in demo.spec.sizes
    scenes = list(held_out(4))
    assert np.mean([_share_found(scene, _detect(demo, scene, size)) for scene in scenes]) >= 0.65


def test_a_batch_gives_what_its_images_give_alone(demo: Detector) -> None:
    """Batching mixes nothing: the boxes are those of each image by itself, each with its own options."""
    scenes = list(held_out(3))
    options = [DetectOptions(), DetectOptions(conf=0.6), DetectOptions(max_detections=1)]
    together = demo.detect([demo.prepare(_image(scene), 320) for scene in scenes], options)
    for scene, option, found in zip(scenes, options, together, strict=True):
        alone = _detect(demo, scene, options=option)
        torch.testing.assert_close(found.boxes, alone.boxes, atol=0.05, rtol=0)
        torch.testing.assert_close(found.scores, alone.scores, atol=1e-3, rtol=0)
        assert torch.equal(found.class_ids, alone.class_ids)
    assert len(together[2]) == 1


def test_detections_are_sorted_clipped_and_above_conf(demo: Detector) -> None:
    """The surest come first, and every box lies within its image."""
    scene = next(held_out(1))
    found = _detect(demo, scene, options=DetectOptions(conf=0.01))
    height, width, _ = scene.pixels.shape
    assert (found.scores.diff() <= 0).all()
    assert found.scores.min() >= 0.01
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2] <= width).all()
    assert (found.boxes[:, 3] <= height).all()


def test_a_grey_image_holds_nothing(demo: Detector) -> None:
    """An even surface has no objects."""
    grey = Scene(np.full((300, 400, 3), 128, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert len(_detect(demo, grey)) == 0


def test_images_of_any_proportion_are_taken(demo: Detector) -> None:
    """A panorama and a single pixel go through."""
    for width, height in ((1, 1), (3000, 20), (20, 3000)):
        image = torch.zeros(3, height, width, dtype=torch.uint8)
        assert isinstance(demo.detect([demo.prepare(image, 320)], [DetectOptions()])[0], Detections)


def test_a_batch_of_mixed_sizes_is_refused(demo: Detector) -> None:
    """A lane has one size; a mixed batch is a caller's mistake."""
    image = torch.zeros(3, 50, 50, dtype=torch.uint8)
    with pytest.raises(ValueError, match="a batch is of one size"):
        demo.detect([demo.prepare(image, 320), demo.prepare(image, 256)], [DetectOptions()] * 2)


def test_an_empty_batch_is_answered(demo: Detector) -> None:
    """No image, no answer."""
    assert demo.detect([], []) == []


def test_a_size_that_is_not_served_is_refused(demo: Detector) -> None:
    """Sizes other than those of the spec are refused by name."""
    with pytest.raises(ValueError, match="no input size 333; it has 256, 320, 416, 640"):
        demo.prepare(torch.zeros(3, 8, 8, dtype=torch.uint8), 333)


def test_warming_runs_every_batch_size(demo: Detector) -> None:
    """The network runs each size of batch twice at the input size, without an image at hand."""
    assert isinstance(demo, YoloDetector)
    ran: list[tuple[int, ...]] = []
    first = next(module for module in demo.network.modules() if isinstance(module, torch.nn.Conv2d))
    hook = first.register_forward_pre_hook(lambda _module, inputs: ran.append(tuple(inputs[0].shape)))
    demo.warm(256, [1, 2])
    hook.remove()
    assert {shape[2:] for shape in ran} == {(256, 256)}
    assert sum(shape[0] for shape in ran) == 2 * (1 + 2)  # a core may run its part of a batch by itself
