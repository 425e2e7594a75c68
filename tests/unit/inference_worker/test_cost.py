"""The cost curve: base and slope from what ran."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.cost import CostCurve


def curve(points: list[tuple[int, float]]) -> CostCurve:
    made = CostCurve()
    for images, took_ms in points:
        made.record(images, took_ms)
    return made


@given(st.floats(0, 100), st.floats(0.1, 50), st.sets(st.integers(1, 32), min_size=2))
def test_recovers_the_line(base: float, item: float, sizes: set[int]) -> None:
    """From exact points of any two or more sizes the line comes back."""
    found = curve([(n, base + item * n) for n in sizes])
    assert found.base_ms == pytest.approx(base, abs=1e-6)
    assert found.cost_ms(10) == pytest.approx(base + item * 10)


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 1000)), min_size=1))
def test_is_never_negative(points: list[tuple[int, float]]) -> None:
    """Whatever was measured, neither the base nor the cost of any size is below nothing."""
    found = curve(points)
    assert found.base_ms >= 0
    assert all(found.cost_ms(n) >= 0 for n in range(1, 21))


def test_one_size_alone() -> None:
    """Batches of one size say nothing of the slope: all of it counts as base, so that nothing is cut on a guess."""
    found = curve([(10, 50.0)] * 3)
    assert (found.base_ms, found.cost_ms(1)) == (50.0, 50.0)


def test_unknown() -> None:
    """Before anything ran, the cost is nothing."""
    assert (CostCurve().base_ms, CostCurve().cost_ms(10)) == (0.0, 0.0)


def test_a_pause_of_the_machine() -> None:
    """One run that took a hundred times as long does not bend the line."""
    steady = [(1, 15.0), (10, 60.0)] * 3
    assert curve([*steady, (1, 1500.0)]).cost_ms(1) == pytest.approx(15.0)


def test_follows_the_machine() -> None:
    """When a machine becomes slower, the curve follows within some batches, and equal batches do not hide others."""
    found = curve([(1, 15.0), (10, 60.0)] * 10 + [(10, 120.0)] * 100)
    assert found.cost_ms(10) == pytest.approx(120.0)
    assert found.cost_ms(1) == pytest.approx(15.0)
