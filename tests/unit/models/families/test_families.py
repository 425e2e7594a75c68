from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.families.config import FamilyConfig, Row
from models.families.letterbox import fit
from models.families.network import outline, parameters_of
from models.letterbox import GREY
from tests.unit.models.checkpoints import foreign

# Parameters and entries of the state dicts of the published networks, 80 classes.
PUBLISHED = {
    ("yolov5", True): {
        "n": (1_872_157, 349),
        "s": (7_235_389, 349),
        "m": (21_190_557, 481),
        "l": (46_563_709, 613),
        "x": (86_749_405, 745),
    },
    ("yolov5", False): {
        "n": (2_654_816, 427),
        "s": (9_153_152, 427),
        "m": (25_111_456, 559),
        "l": (53_225_024, 691),
        "x": (97_276_448, 823),
    },
    ("yolov8", False): {
        "n": (3_157_200, 355),
        "s": (11_166_560, 355),
        "m": (25_902_640, 475),
        "l": (43_691_520, 595),
        "x": (68_229_648, 595),
    },
    ("yolo11", False): {
        "n": (2_624_080, 499),
        "s": (9_458_752, 499),
        "m": (20_114_688, 649),
        "l": (25_372_160, 1015),
        "x": (56_966_176, 1015),
    },
}


@pytest.mark.parametrize("size", list("nsmlx"))
@pytest.mark.parametrize(("family", "anchors"), PUBLISHED)
def test_networks_are_as_large_as_the_published_ones(family: str, anchors: bool, size: str) -> None:
    """Each family and size has exactly the published number of parameters and of entries in its state."""
    network = outline(foreign.config(family, size, classes=80, anchors=anchors))
    assert (parameters_of(network), len(network.state_dict())) == PUBLISHED[family, anchors][size]
    assert network.stride == 32


@pytest.mark.parametrize(("family", "anchors"), PUBLISHED)
def test_fusing_changes_no_answer(family: str, anchors: bool) -> None:
    """Folding the norms into the convolutions leaves every box and score where it was."""
    network = foreign.network(foreign.config(family, anchors=anchors))
    x = torch.rand(2, 3, 64, 96)
    before = network.everything(x)
    after = network.fuse().everything(x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    for ours, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("family", "anchors"), PUBLISHED)
def test_prediction_gives_what_is_sure_enough(family: str, anchors: bool) -> None:
    """Of all candidates, exactly those come out whose best class reaches the threshold, with the same numbers."""
    network = foreign.network(foreign.config(family, anchors=anchors))
    x = torch.rand(2, 3, 64, 64)
    boxes, scores = network.everything(x)
    conf = float(scores.amax(-1).median())
    for index, found in enumerate(network.predict(x, conf)):
        sure = scores[index].amax(-1) >= conf
        torch.testing.assert_close(found.boxes, boxes[index][sure])
        torch.testing.assert_close(found.scores, scores[index][sure])
    assert [len(found.boxes) for found in network.predict(x, 1.0)] == [0, 0]


@pytest.mark.parametrize(("family", "anchors"), PUBLISHED)
def test_a_config_survives_its_text(family: str, anchors: bool) -> None:
    """A config reads back equal from the text that travels in a weights file."""
    config = foreign.config(family, anchors=anchors)
    assert FamilyConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"rows": 3}', '{"rows": [[]]}', "[" * 100_000, '{"rows": [{"a": 1}]}']
)
def test_a_text_that_is_no_config_is_refused(text: str) -> None:
    """Anything else than a config is refused as such."""
    with pytest.raises(ValueError, match="not the configuration"):
        FamilyConfig.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 0},
        {"classes": True},
        {"depth": 0},
        {"width": 17.0},
        {"width": "wide"},
        {"bins": 1},
        {"anchors": ((1.0, 2.0), (1.0,))},
        {"anchors": ((1.0, -2.0),)},
        {"channels_max": 10**9},
        {"linear": (1,)},
        {"rows": ()},
    ],
)
def test_numbers_outside_of_a_network_are_refused(change: dict[str, object]) -> None:
    """Each number of an architecture has its bounds."""
    with pytest.raises(ValueError, match=f"architecture's {next(iter(change))} is outside"):
        replace(foreign.config("yolov8"), **change)  # type: ignore[arg-type]


def test_an_unknown_linear_convolution_is_refused() -> None:
    """A config that names a convolution that is not there is refused."""
    with pytest.raises(ValueError, match="has no convolution 'model.99'"):
        outline(replace(foreign.config("yolov8"), linear=("model.99",)))


def test_rows_that_ask_for_unscaled_channels_get_them() -> None:
    """What some releases of the families' tools did to rows as wide as their classes are many can be repeated."""
    config = replace(foreign.config("yolov8"), unscaled=64)
    assert outline(config).state_dict()["model.0.conv.weight"].shape == (64, 3, 3, 3)


def test_a_row_has_bounds() -> None:
    """Rows read few others, repeat not without end, and have plain arguments."""
    for arguments, message in (
        (((), 1, "Conv", ()), "reads 1 to 8"),
        (((-1,), 0, "Conv", ()), "repeats 1 to 64"),
        (((-1,), 1, "Conv", ([1],)), "numbers or words"),
        (((-1,), 1, "Conv", (1,) * 9), "at most 8"),
    ):
        with pytest.raises(ValueError, match=message):
            Row(*arguments)


def test_images_are_fitted_without_averaging() -> None:
    """A checkerboard of pixels shrunk to a third keeps full contrast, as it does in the families' own letterbox."""
    board = (torch.arange(90)[:, None] + torch.arange(90)) % 2 * 255
    square, letterbox = fit(board.to(torch.uint8).expand(3, 90, 90), 30)
    assert set(square.flatten().tolist()) == {0, 255}
    assert (letterbox.inner_width, letterbox.left) == (30, 0)
    wide, letterbox = fit(torch.zeros(3, 10, 40, dtype=torch.uint8), 40)
    assert (letterbox.top, letterbox.inner_height) == (15, 10)
    assert (wide[:, :15] == GREY).all()
    assert (wide[:, 15:25] == 0).all()
    with pytest.raises(ValueError, match=r"\(3, H, W\) uint8"):
        fit(torch.zeros(3, 4, 4), 32)
