from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.letterbox import GREY, Letterbox, fit

sides = st.integers(1, 6000)
sizes = st.sampled_from([256, 320, 416, 640])


@given(sides, sides, sizes, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_comes_back_from_the_input_where_it_was(width: int, height: int, size: int, share: list[float]) -> None:
    """Any box of any image goes to the input and back within half a pixel."""
    box = torch.tensor([share], dtype=torch.float64) * torch.tensor([width, height, width, height])
    letterbox = Letterbox.of(width, height, size)
    assert (letterbox.to_image(letterbox.to_input(box)) - box).abs().max() <= 0.5


@given(sides, sides, sizes)
def test_the_image_lies_inside_the_square_and_touches_it(width: int, height: int, size: int) -> None:
    """The longer side fills the square, the shorter one lies within it in the middle."""
    letterbox = Letterbox.of(width, height, size)
    assert max(letterbox.inner_width, letterbox.inner_height) == size
    for start, length in ((letterbox.left, letterbox.inner_width), (letterbox.top, letterbox.inner_height)):
        assert start >= 0
        assert 0 <= size - (2 * start + length) <= 1


def test_boxes_beyond_the_image_are_clipped_to_it() -> None:
    """What the network sees in the padding ends at the image's edge."""
    letterbox = Letterbox.of(640, 480, 320)
    box = letterbox.to_image(torch.tensor([[-10.0, 0.0, 400.0, 320.0]]))
    assert box.tolist() == [[0.0, 0.0, 640.0, 480.0]]


def test_a_fitted_image_is_centred_on_grey() -> None:
    """A white landscape image becomes a white band between grey bands, and stays bytes."""
    square, letterbox = fit(torch.full((3, 480, 640), 255, dtype=torch.uint8), 320)
    assert square.shape == (3, 320, 320)
    assert square.dtype == torch.uint8
    assert (letterbox.left, letterbox.top) == (0, 40)
    assert (square[:, :40] == GREY).all()
    assert (square[:, 40:280] == 255).all()
    assert (square[:, 280:] == GREY).all()


def test_an_object_is_where_its_box_goes() -> None:
    """Pixels and boxes take the same way: a bright patch lies in its own transformed box."""
    image = torch.zeros(3, 300, 500, dtype=torch.uint8)
    image[:, 90:210, 125:375] = 255
    square, letterbox = fit(image, 320)
    rows, columns = (square[0] == 255).nonzero(as_tuple=True)
    expected = letterbox.to_input(torch.tensor([125.0, 90.0, 375.0, 210.0]))
    seen = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert (seen - expected).abs().max() <= 1


def test_both_memory_layouts_give_the_same_input() -> None:
    """An image as decoders lay it out and a planar copy of it give the same pixels."""
    image = torch.randint(0, 256, (123, 77, 3), dtype=torch.uint8).permute(2, 0, 1)
    difference = fit(image, 256)[0].int() - fit(image.contiguous(), 256)[0].int()
    assert difference.abs().max() <= 1


@pytest.mark.parametrize(
    "image",
    [torch.zeros(3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)],
)
def test_what_is_no_image_is_refused(image: torch.Tensor) -> None:
    """Floats, grey images and planes are refused with what is expected."""
    with pytest.raises(ValueError, match=r"\(3, H, W\) uint8"):
        fit(image, 320)


def test_an_empty_image_is_refused() -> None:
    """An image without pixels is refused."""
    with pytest.raises(ValueError, match="at least one pixel"):
        Letterbox.of(0, 10, 320)
