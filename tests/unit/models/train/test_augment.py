from __future__ import annotations

import numpy as np
import pytest
import torch

from models.letterbox import GREY, fit
from models.train.own.augment import Augmentation, as_served, mirrored, sample
from models.train.own.course import Course
from models.train.own.views import View

SIZE = 96


def _view(width: int = 96, height: int = 72) -> View:
    """Black with one white rectangle, whose box is known."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[20:40, 30:60] = 255
    return View(pixels, np.array([[30, 20, 60, 40]], np.float32), np.array([2]))


def _bright(view: View) -> list[int]:
    rows, columns = np.nonzero(view.pixels.min(2) > 200)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


@pytest.mark.parametrize("seed", range(30))
def test_a_box_stays_on_its_object(seed: int) -> None:
    """However a picture is scaled, moved and mirrored, the box is where the object is."""
    options = Augmentation(mosaic=0, recolour=0)
    view = sample(np.random.default_rng(seed), SIZE, options, _view(), _view)
    assert view.pixels.shape == (SIZE, SIZE, 3)
    assert len(view.boxes) == 1
    np.testing.assert_allclose(view.boxes[0], _bright(view), atol=1.6)


@pytest.mark.parametrize("seed", range(30))
def test_the_boxes_of_a_mosaic_lie_on_objects_within_it(seed: int) -> None:
    """Each box is within the picture, of a class that was there, and bright inside."""
    view = sample(np.random.default_rng(seed), SIZE, Augmentation(mosaic=1, recolour=0), _view(), _view)
    assert len(view.boxes) <= 4
    assert (view.boxes >= 0).all()
    assert (view.boxes <= SIZE).all()
    assert set(view.class_ids.tolist()) <= {2}
    for left, top, right, bottom in view.boxes.round().astype(int):
        assert view.pixels[top + 1 : bottom - 1, left + 1 : right - 1].mean() > 150 or (right - left) < 5


def test_what_is_hardly_visible_is_not_asked_for() -> None:
    """A mosaic cuts objects; those of which little is left have no box."""
    views = [
        sample(np.random.default_rng(seed), SIZE, Augmentation(mosaic=1, recolour=0), _view(), _view)
        for seed in range(60)
    ]
    assert min(len(view.boxes) for view in views) < 4
    assert all(((view.boxes[:, 2:] - view.boxes[:, :2]) >= 2).all() for view in views)


def test_as_served_is_what_a_worker_makes_of_the_picture() -> None:
    """The letterbox of training is the letterbox of serving, to the pixel."""
    view = as_served(_view(), SIZE)
    served, letterbox = fit(torch.from_numpy(_view().pixels).permute(2, 0, 1), SIZE)
    assert np.array_equal(view.pixels, served.permute(1, 2, 0).numpy())
    assert torch.equal(torch.from_numpy(view.boxes), letterbox.to_input(torch.from_numpy(_view().boxes)))
    assert view.pixels[0, 0].tolist() == [GREY] * 3


def test_mirroring_twice_changes_nothing() -> None:
    """Pixels and boxes come back."""
    twice = mirrored(mirrored(_view()))
    assert np.array_equal(twice.pixels, _view().pixels)
    assert np.array_equal(twice.boxes, _view().boxes)


@pytest.mark.parametrize("flip", [False, True])
def test_pictures_are_mirrored_only_where_that_is_allowed(flip: bool) -> None:
    """Of pictures that are white on the left, some are white on the right, or none is where flip is off."""
    left = View(np.zeros((96, 96, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    left.pixels[:, :48] = 255
    turned = []
    for seed in range(20):
        pixels = sample(np.random.default_rng(seed), SIZE, Augmentation(0, 0, flip), left, lambda: left).pixels
        white, black = (np.nonzero(rows)[1].mean() for rows in (pixels[..., 0] > 200, pixels[..., 0] < 50))
        turned.append(bool(white > black))
    assert any(turned) == flip


def test_a_background_stays_one() -> None:
    """Without objects all of it goes through, mosaics too."""
    empty = View(np.zeros((40, 96, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    for seed in range(10):
        view = sample(np.random.default_rng(seed), SIZE, Augmentation(), empty, lambda: empty)
        assert view.boxes.shape == (0, 4)


def test_an_epoch_shows_every_picture() -> None:
    """Each epoch has an order of its own; its last batch is filled up."""
    course = Course(pictures=10, batch=4, epochs=3, seed=1)
    epochs = [[course.picture_of(12 * epoch + i) for i in range(12)] for epoch in range(3)]
    assert all(set(epoch) == set(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert course.steps == 9


def test_the_learning_rate_rises_and_then_falls() -> None:
    """From little to the whole in a tenth of the run, then to a hundredth."""
    course = Course(pictures=100, batch=10, epochs=20, seed=1)
    rates = [course.rate_factor(step) for step in range(course.steps)]
    assert rates[0] < 0.06
    assert max(rates) > 0.95
    assert rates.index(max(rates)) <= 20
    assert rates[-1] < 0.011


def test_the_last_epochs_mix_no_pictures() -> None:
    """The last share is as pictures are served; a run of one epoch is all plain."""
    assert [Course(5, 5, 20, 1).is_plain(epoch) for epoch in (0, 16, 17, 19)] == [False, False, True, True]
