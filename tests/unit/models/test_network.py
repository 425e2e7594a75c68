from __future__ import annotations

import pytest
import torch

from models.yolo.config import YoloConfig
from models.yolo.network import STRIDES, Yolo, cells, decode_edges

TINY = YoloConfig(3, widths=(8, 8, 8, 16, 16), depths=(1, 1, 1, 1), neck=(8, 8, 16), head_box=8, head_class=8, bins=4)


@pytest.fixture(scope="module")
def network() -> Yolo:
    torch.manual_seed(0)
    return Yolo(TINY).eval().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_each_cell_of_each_level_answers(network: Yolo, height: int, width: int) -> None:
    """The head has a row for each cell at strides 8, 16 and 32, with a centre and a stride each."""
    output = network(torch.rand(2, 3, height, width))
    rows = sum((height // stride) * (width // stride) for stride in STRIDES)
    assert output.edges.shape == (2, rows, 4 * TINY.bins)
    assert output.classes.shape == (2, rows, 3)
    assert output.centres.shape == (rows, 2)
    assert output.strides.shape == (rows, 1)


def test_centres_lie_row_by_row() -> None:
    """Centres follow the order of the rows: x first, then y, then the next level."""
    centres, strides = cells(64, 32, torch.device("cpu"))
    assert centres[:5].tolist() == [[4, 4], [12, 4], [20, 4], [28, 4], [4, 12]]
    assert centres[-1].tolist() == [16, 48]
    assert strides[[0, 32, -1], 0].tolist() == [8, 16, 32]


def test_edges_are_expected_distances() -> None:
    """A distribution on one bin puts the edge that many strides away."""
    logits = torch.full((4, 8), -100.0)
    for edge, distance in enumerate((1, 2, 3, 4)):
        logits[edge, distance] = 100.0
    box = decode_edges(logits.flatten(), torch.tensor([100.0, 200.0]), torch.tensor([16.0]))
    assert box.tolist() == pytest.approx([84, 168, 148, 264])


def test_fusing_changes_nothing_but_speed() -> None:
    """A fused network answers as it did before."""
    torch.manual_seed(1)
    network = Yolo(TINY)
    pictures = torch.rand(2, 3, 64, 64)
    for _ in range(3):
        network(pictures)
    network.eval()
    before = network(pictures)
    after = network.fuse()(pictures)
    torch.testing.assert_close(after.edges, before.edges, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after.classes, before.classes, rtol=1e-4, atol=1e-4)
    assert not any("norm" in name for name in network.state_dict())


def test_sure_cells_alone_become_candidates(network: Yolo) -> None:
    """Candidates are the cells whose best class passes; at conf 0 all of them, at 1 none."""
    pictures = torch.rand(2, 3, 64, 64)
    output = network(pictures)
    # A fresh network expects more of coarse cells: of its answers, those at stride 32 alone pass 0.01.
    for one, scores in zip(network.predict(pictures, 0.01), output.classes.sigmoid(), strict=True):
        torch.testing.assert_close(one.scores, scores[-4:])
        assert one.boxes.shape == (4, 4)
    assert [len(one.scores) for one in network.predict(pictures, 0)] == [len(output.centres)] * 2
    assert [len(one.scores) for one in network.predict(pictures, 1)] == [0, 0]


def test_a_configuration_survives_its_json() -> None:
    """A configuration reads back equal."""
    assert YoloConfig.from_json(TINY.to_json()) == TINY


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"classes": 0}',
        '{"classes": 3, "hats": 1}',
        '{"classes": 3, "widths": [1]}',
        "no",
        '{"classes": "3"}',
    ],
)
def test_what_is_no_configuration_is_refused(text: str) -> None:
    """Missing, unknown or senseless numbers are refused."""
    with pytest.raises(ValueError, match="network"):
        YoloConfig.from_json(text)
