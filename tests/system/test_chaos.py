"""The promise under fire: whatever is killed or frozen, what was accepted ends once."""

from pathlib import Path

import pytest

from tests.system.chaos import run

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.mark.timeout(900)
def test_a_minute_of_kills_and_freezes_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After 60 seconds of random kills and freezes every accepted job is whole and nothing is left over."""
    history, wrong = run(60, seed=8, folder=tmp_path)
    assert not wrong, wrong
    assert sum(history.blows.values()) >= 5, history.blows
    assert len(history.accepted) >= 20, history.answers


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 11))
def test_five_minutes_of_kills_and_freezes_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """The same for five minutes with each of ten seeds."""
    history, wrong = run(300, seed=seed, folder=tmp_path)
    assert not wrong, (history.blows, wrong)
