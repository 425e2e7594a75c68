"""The core's small parts: ranges, the cost curve, heaps and rates."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.config import CoreConfig
from scheduler.core.cost import CostCurve
from scheduler.core.jobs import Client
from scheduler.core.least_heap import LeastHeap
from scheduler.core.meter import Meter
from scheduler.core.ranges import Ranges, excluding, without
from tenfold.contract.errors import SettingsError


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=40), st.sets(st.integers(0, 29), max_size=8))
@settings(max_examples=200, deadline=None)
def test_ranges_do_what_a_list_does(steps: list[tuple[bool, int]], rejected: set[int]) -> None:
    """Taking from the head and putting back to the head give what a plain list gives."""
    plain = [index for index in range(30) if index not in rejected]
    ranges = Ranges(without(30, rejected))
    taken: list[int] = []
    for take, most in steps:
        if take and plain:
            expected, plain = plain[:most], plain[most:]
            assert list(ranges.take(most)) == expected
            taken += expected
        elif taken:
            back = sorted(taken[-most:])
            del taken[-most:]
            ranges.put_back(back)
            plain = back + plain
        assert list(ranges) == plain
        assert ranges.count == len(plain)


def test_ranges_without_and_excluding() -> None:
    """Rejected indexes split a range; those that run alone leave the others in place."""
    assert without(6, [0, 3, 5, 9]) == [(1, 3), (4, 5)]
    assert without(3, []) == [(0, 3)]
    assert excluding([(0, 4), (6, 8)], [1, 7]) == [(0, 1), (2, 4), (6, 7)]


def test_the_cost_curve_finds_base_and_item() -> None:
    """From micro-batches of several sizes the line comes out."""
    curve = CostCurve()
    for images in (1, 10, 2, 5, 10, 1):
        curve.add(images, 5.0 + 20.0 * images)
    assert curve.base_ms == pytest.approx(5.0)
    assert curve.item_ms == pytest.approx(20.0)
    assert curve.cost_ms(4) == pytest.approx(85.0)


def test_the_cost_curve_of_one_size_charges_the_items() -> None:
    """With one size alone nothing tells base from items, and filling is judged by the dearer reading."""
    curve = CostCurve()
    for _ in range(5):
        curve.add(10, 55.0)
    assert curve.base_ms == 0.0
    assert curve.item_ms == pytest.approx(5.5)
    assert curve.affordable(5.0, 9) == 0


def test_the_cost_curve_keeps_its_slope_through_a_long_run_of_one_size() -> None:
    """A thousand full batches do not make it forget what an item costs."""
    curve = CostCurve()
    for images in (1, 10) * 10:
        curve.add(images, 3.0 + 0.25 * images)
    for _ in range(1000):
        curve.add(10, 5.5)
    assert curve.item_ms == pytest.approx(0.25, rel=0.05)
    assert curve.affordable(5.0, 9) == 9


def test_the_cost_curve_takes_a_pause_for_a_pause_and_a_slower_machine_for_one() -> None:
    """One batch that took a minute hardly moves the price; a machine that stays ten times slower is learned."""
    curve = CostCurve()
    for images in (1, 10) * 10:
        curve.add(images, 5.0 + 2.0 * images)
    curve.add(10, 60_000.0)
    assert curve.cost_ms(10) < 2 * 25.0
    for images in (1, 10) * 200:
        curve.add(images, 50.0 + 20.0 * images)
    assert curve.cost_ms(10) == pytest.approx(250.0, rel=0.1)


@pytest.mark.parametrize(("images", "elapsed_ms"), [(0, 5.0), (3, -1.0), (3, float("nan")), (3, float("inf"))])
def test_the_cost_curve_ignores_what_cannot_be(images: int, elapsed_ms: float) -> None:
    """A senseless measurement changes nothing."""
    curve = CostCurve()
    curve.add(images, elapsed_ms)
    assert not curve.measured


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-50, 100)), max_size=200))
@settings(max_examples=100, deadline=None)
def test_the_heap_finds_the_least_served_client(changes: list[tuple[int, float]]) -> None:
    """However services rise and fall, the top is the least."""
    heap, clients = LeastHeap(), [Client(f"c{k}", 3, 10) for k in range(10)]
    for number, change in changes:
        client = clients[number]
        if client in heap and change > 90:
            heap.remove(client)
            continue
        heap.add(client)
        client.service_ms += change
        if change < 0:
            heap.lowered(client)
        top = heap.top()
        assert top is not None
        assert top.service_ms == min(one.service_ms for one in heap)


def test_a_meter_measures_a_steady_rate_and_forgets() -> None:
    """A hundred a second reads as about that, and a minute later as nothing."""
    meter = Meter()
    for step in range(6000):
        meter.add(1, step * 10.0)
    assert meter.per_second(60_000.0) == pytest.approx(100.0, rel=0.02)
    assert meter.per_second(120_000.0) < 0.5


@pytest.mark.parametrize(
    "fields",
    [
        {"levels": 1},
        {"levels": 9},
        {"allotments": (10,)},
        {"allotments": (0, 50)},
        {"dispatch": "never"},
        {"batch_size": 0},
        {"quantum": 0},
        {"tick_ms": -1.0},
        {"boost_after_ms": float("nan")},
    ],
)
def test_settings_outside_what_is_allowed_are_refused(fields: dict[str, object]) -> None:
    """The message names the setting, its value and what is allowed."""
    with pytest.raises(SettingsError, match=next(iter(fields))):
        CoreConfig(**fields)  # type: ignore[arg-type]  # wrong on purpose
