"""How batches are cut (rule 10)."""

from math import floor

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.cost import CostCurve
from inference_worker.pieces import PiecePolicy, cut


def line(base_ms: float, item_ms: float) -> CostCurve:
    curve = CostCurve()
    for images in (1, 10):
        curve.record(images, base_ms + item_ms * images)
    return curve


GPU = line(10.0, 0.3)
CPU = line(5.0, 14.0)


def test_the_first_level_is_never_cut() -> None:
    """Nothing is more urgent than the worker's first level."""
    policy = PiecePolicy()
    policy.claimed(0, 0.0)
    assert policy.count(CPU, 10, 0, 1.0) == 1


def test_quiet() -> None:
    """While nothing more urgent comes, three parts in a hundred are what cutting may cost."""
    assert PiecePolicy().count(CPU, 10, 2, 0.0) == 1
    assert PiecePolicy().count(line(0.5, 10.0), 10, 2, 0.0) == 1 + floor(0.03 * 100.5 / 0.5)


def test_urgent() -> None:
    """When something more urgent came lately, a slow model's batch is cut, a fast one's is not."""
    policy = PiecePolicy()
    policy.claimed(0, 100.0)
    assert policy.count(CPU, 10, 2, 105.0) == 1 + floor(0.12 * 145 / 5)
    assert policy.count(GPU, 10, 2, 105.0) == 1


def test_urgency_is_forgotten() -> None:
    """Ten seconds after the last urgent arrival it is quiet again."""
    policy = PiecePolicy()
    policy.claimed(0, 100.0)
    assert policy.count(CPU, 10, 2, 110.1) == 1


def test_less_urgent_work_is_none() -> None:
    """Work of the same or a lower level does not make anything urgent."""
    policy = PiecePolicy()
    policy.claimed(1, 0.0)
    policy.claimed(2, 0.0)
    assert policy.count(CPU, 10, 1, 1.0) == 1


def test_having_given_way_is_urgent() -> None:
    """A batch that gave way tells that something more urgent came."""
    policy = PiecePolicy()
    policy.yielded(2, 0.0)
    assert policy.count(CPU, 10, 2, 1.0) > 1


def test_losses_are_paid_from_the_same_purse() -> None:
    """What cutting cost beyond its plan is taken off what it may cost, but three in a hundred always remain."""
    policy = PiecePolicy()
    policy.claimed(0, 0.0)
    whole = CPU.cost_ms(10)
    for _ in range(100):
        policy.ran(CPU, [(5, whole * 0.525 + 2.5), (5, whole * 0.525 + 2.5)])
    assert 0.06 < policy.share(2, 1.0) < 0.08
    for _ in range(100):
        policy.ran(CPU, [(5, whole), (5, whole)])
    assert policy.share(2, 1.0) == 0.03


def test_as_planned_is_no_loss() -> None:
    """Pieces that cost what the curve says, bases included, lose nothing."""
    policy = PiecePolicy()
    policy.claimed(0, 0.0)
    for _ in range(20):
        policy.ran(CPU, [(5, CPU.cost_ms(5)), (5, CPU.cost_ms(5))])
    assert policy.share(2, 1.0) > 0.119


@given(st.floats(0, 1000), st.floats(0, 1000), st.integers(1, 40), st.integers(0, 7))
def test_between_one_and_all(base_ms: float, item_ms: float, images: int, place: int) -> None:
    """A batch is cut into at least one piece and at most one an image."""
    policy = PiecePolicy()
    policy.claimed(0, 0.0)
    assert 1 <= policy.count(line(base_ms, item_ms), images, place, 0.0) <= images


@given(st.lists(st.integers(0, 99), min_size=1, max_size=40, unique=True).map(sorted), st.data())
def test_cut(positions: list[int], data: st.DataObject) -> None:
    """Pieces are equal but for one image, none is empty, and together they are the batch in its order."""
    count = data.draw(st.integers(1, len(positions)))
    pieces = cut(positions, count)
    lengths = [len(piece) for piece in pieces]
    assert len(pieces) == count
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 1
    assert [position for piece in pieces for position in piece] == positions
