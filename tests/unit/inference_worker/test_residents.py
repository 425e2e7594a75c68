"""The models of one worker."""

import pytest

from inference_worker.resident import Resident
from inference_worker.residents import LANES_MAX, Residents
from models.detector import SIZES_MAX, ModelSpec
from tests.unit.inference_worker.toy import Toy


def resident(name: str, version: str = "1", sizes: tuple[int, ...] = (64,), source: str = "") -> Resident:
    return Resident.of(Toy(spec=ModelSpec(name, version, ("thing",), sizes, 32)), source)


def test_lanes_are_those_of_all_models_in_their_order() -> None:
    """The first model's lanes come first, and each model is found by its name."""
    found = Residents([resident("b", sizes=(64, 96)), resident("a")])
    assert found.lanes == ["b@64", "b@96", "a@64"]
    assert found.names == ["b", "a"]
    assert found.of("a").info.name == "a"


def test_a_swap_changes_one_model_and_keeps_the_order() -> None:
    """The new version is what is held and announced from then on."""
    found = Residents([resident("b"), resident("a")])
    found.swap(resident("b", "2"))
    assert [(one.name, one.version) for one in found.served] == [("b", "2"), ("a", "1")]


def test_two_models_of_one_name_are_refused_with_both() -> None:
    """The name is what clients ask by: two files of one name need a worker each, or another name."""
    with pytest.raises(ValueError, match=r"'runs/1/best.pt' and 'runs/2/best.pt' are both named 'best'"):
        Residents([resident("best", source="runs/1/best.pt"), resident("best", source="runs/2/best.pt")])


def test_too_many_lanes_are_refused_with_the_models_that_have_them() -> None:
    """Every claim looks at every queue, so they are bounded."""
    sizes = tuple(32 * n for n in range(1, SIZES_MAX + 1))
    most = [resident(f"m{n}", sizes=sizes) for n in range(LANES_MAX // SIZES_MAX)]
    Residents(most)
    with pytest.raises(ValueError, match="lanes are too many for one worker.*'m0' 6.*'last' 6"):
        Residents([*most, resident("last", sizes=sizes)])
