from pathlib import Path

import pytest

from tenfold.preflight import CannotStart, require_model_files, require_room
from tenfold.settings import Settings


@pytest.mark.parametrize("name", ["/no/such/best.pt", "best.safetensors", "torchscript:/no/such/export.ts"])
def test_a_model_file_that_is_not_there_is_told_before_anything_starts(name: str) -> None:
    """Only names that are files are looked for, each with its whole path in the sentence."""
    with pytest.raises(CannotStart, match=str(Path(name.removeprefix("torchscript:")).absolute())):
        require_model_files(Settings(model=("demo", name)))


def test_names_that_are_no_files_are_the_workers_to_judge(tmp_path: Path) -> None:
    """A model of known cost, one of torchvision's and a file that is there are let through."""
    weights = tmp_path / "best.pt"
    weights.write_bytes(b"")
    require_model_files(Settings(model=("synthetic:base_ms=5,item_ms=2", "torchvision/ssd300_vgg16", str(weights))))


def test_the_room_of_a_folder_that_is_still_to_be_made_is_its_parents(tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert require_room(tmp_path / "a" / "b") > 0
    assert not (tmp_path / "a").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    """The sentence has the path and the flag that helps."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(CannotStart, match=r"taken is no folder.*--data-dir"):
        require_room(tmp_path / "taken" / "data")
