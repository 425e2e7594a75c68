"""Random worlds in which workers die, schedulers crash and messages come late or twice: every seed ends well.

A failure prints its seed: ``play(seed, MISHAPS[name])`` runs it again, step for step.
"""

import pytest

from tests.simulation.chaos import Mishaps, play

MISHAPS = {
    "nothing goes wrong": Mishaps(),
    "workers die and batches vanish": Mishaps(deaths=2, vanishings=2),
    "messages come late and twice": Mishaps(late=0.3, doubled=0.2, vanishings=1),
    "schedulers crash": Mishaps(restarts=3, crash_on_event=0.02),
    "all at once": Mishaps(late=0.3, doubled=0.2, deaths=2, restarts=2, vanishings=2, crash_on_event=0.01),
}
SEEDS_EACH = 60
SLICE = 20


def _play_all(name: str, seeds: range, *, models: bool = False) -> None:
    for seed in seeds:
        try:
            play(seed, MISHAPS[name], models=models)
        except Exception as error:
            raise AssertionError(f"seed {seed} of {name!r}: {error}") from error


@pytest.mark.parametrize("first", range(0, SEEDS_EACH, SLICE))
@pytest.mark.parametrize("name", MISHAPS)
def test_every_item_is_served_once_whatever_goes_wrong(name: str, first: int) -> None:
    """All jobs end, all items end once, all checks hold after every step, and nothing is left behind."""
    _play_all(name, range(first, first + SLICE))


@pytest.mark.parametrize("name", MISHAPS)
def test_models_with_workers_of_their_own_are_served_alike(name: str) -> None:
    """The same with several models, where each worker serves some of them: no worker idles beside work of its own."""
    _play_all(name, range(SLICE), models=True)


def test_the_same_seed_gives_the_same_run() -> None:
    """What ran, when and where is a function of the seed."""
    name = "all at once"
    one, other = play(4, MISHAPS[name]), play(4, MISHAPS[name])
    assert one.history.pieces == other.history.pieces


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MISHAPS)
def test_ten_thousand_seeds(name: str) -> None:
    """The long form: 10 000 worlds, an equal part of them for each kind of mishap."""
    each = 10_000 // len(MISHAPS) // 2
    _play_all(name, range(1000, 1000 + each))
    _play_all(name, range(1000, 1000 + each), models=True)
