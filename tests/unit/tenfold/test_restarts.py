from tenfold.restarts import DELAY_LEAST_S, DELAY_MOST_S, FAILURES_MAX, SETTLED_S, Restarts


def test_delays_double_up_to_the_most() -> None:
    """A process that keeps ending at once is started again less and less often."""
    restarts = Restarts()
    assert [restarts.delay_after(0.0) for _ in range(7)] == [0.5, 1, 2, 4, 8, DELAY_MOST_S, DELAY_MOST_S]


def test_a_life_lived_starts_afresh() -> None:
    """A process that settled before it ended is started again quickly, and its failures are forgotten."""
    restarts = Restarts()
    for _ in range(FAILURES_MAX):
        restarts.delay_after(0.0)
    assert restarts.delay_after(SETTLED_S) == DELAY_LEAST_S
    assert not restarts.is_hopeless(1)


def test_five_failures_in_a_row_are_hopeless() -> None:
    """Five starts that all failed are enough."""
    restarts = Restarts()
    for _ in range(FAILURES_MAX):
        assert not restarts.is_hopeless(1)
        restarts.delay_after(3.0)
    assert restarts.is_hopeless(1)


def test_wrong_usage_is_hopeless_at_once() -> None:
    """Nothing changes by starting a wrongly used process again."""
    restarts = Restarts()
    restarts.delay_after(0.0)
    assert restarts.is_hopeless(2)
    assert not restarts.is_hopeless(1)
