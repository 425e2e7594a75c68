import pytest

from benchmarks.figures import Spread, percentile, shown


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.95, 95), (0.99, 99), (0.999, 100), (1.0, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    """The least value that the share of all values does not exceed."""
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_the_99th_percentile_of_few_values_is_the_greatest() -> None:
    """Fifty values have no hundredth part: the worst stands for it."""
    assert percentile([float(value) for value in range(50)], 0.99) == 49


def test_nothing_measured_is_an_error() -> None:
    """No measurement has no middle."""
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


def test_a_spread_tells_its_ends_only_where_something_was_repeated() -> None:
    """One measurement is its value, several have a least and a greatest."""
    assert str(Spread.of([1.5])) == "1.50"
    assert str(Spread.of([3.0, 1.0, 2.0])) == "2.00 (1.00 to 3.00)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1234"), (1e5, "100 000")],
)
def test_figures_keep_three_digits_that_count(value: float, text: str) -> None:
    """More digits than a measurement carries would be noise."""
    assert shown(value) == text
