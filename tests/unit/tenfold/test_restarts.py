from tenfold.restarts import DELAY_LEAST_S, DELAY_MOST_S, FAILURES_MAX, SETTLED_S, Restarts


def test_delays_double_up_to_the_most() -> None:
    """A process that keeps ending at once is started again less and less often."""
    restarts = Restarts()
    delays = [restarts.delay_after(100.0 * n, 0.0) for n in range(7)]
    assert delays == [0.5, 1, 2, 4, 8, DELAY_MOST_S, DELAY_MOST_S]


def test_a_life_lived_starts_afresh() -> None:
    """A process that settled before it ended is started again quickly."""
    restarts = Restarts()
    for n in range(4):
        restarts.delay_after(float(n), 0.0)
    assert restarts.delay_after(50.0, SETTLED_S) == DELAY_LEAST_S


def test_five_failures_in_a_short_time_are_hopeless() -> None:
    """Five endings within half a minute are given up; the same five spread out are not."""
    quick, slow = Restarts(), Restarts()
    for n in range(FAILURES_MAX):
        assert not quick.is_hopeless(1)
        quick.delay_after(float(n), 0.0)
        slow.delay_after(20.0 * n, 0.0)
    assert quick.is_hopeless(1)
    assert not slow.is_hopeless(1)


def test_wrong_usage_is_hopeless_at_once() -> None:
    """Nothing changes by starting a wrongly used process again."""
    restarts = Restarts()
    restarts.delay_after(0.0, 0.0)
    assert restarts.is_hopeless(2)
    assert not restarts.is_hopeless(1)
