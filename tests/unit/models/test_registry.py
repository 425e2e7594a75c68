from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import registry
from models.detector import ModelSpec
from models.registry import UnknownModel, describe, load
from models.synthetic import SyntheticDetector, SyntheticOptions
from models.weights.container import read_tensors
from models.weights.errors import WeightsError
from tests.unit.models.tiny import write_tiny


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("synthetic", SyntheticOptions()),
        ("synthetic:", SyntheticOptions()),
        ("synthetic:base_ms=0,item_ms=0.5", SyntheticOptions(0, 0.5)),
        ("synthetic: item_ms = 3 , size = 64 ", SyntheticOptions(item_ms=3, size=64)),
    ],
)
def test_synthetic_parameters_are_read_from_the_name(name: str, options: SyntheticOptions) -> None:
    """Parameters come in any order, with defaults for the rest."""
    detector = load(name)
    assert isinstance(detector, SyntheticDetector)
    assert detector.options == options
    assert detector.spec == describe(name)
    assert detector.spec.name == name


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("speed=9", "'speed' is no parameter; allowed are base_ms, item_ms, size"),
        ("base_ms=1,base_ms=2", "'base_ms' is given twice"),
        ("base_ms=fast", "base_ms must be a number, got 'fast'"),
        ("base_ms", "base_ms must be a number, got ''"),
        ("base_ms=-1", "base_ms must be within 0 and"),
        ("item_ms=nan", "item_ms must be within 0 and"),
        ("item_ms=inf", "item_ms must be within 0 and"),
        ("size=100", "size must be a multiple of 32"),
        ("size=64.5", "size must be a number"),
    ],
)
def test_wrong_synthetic_parameters_are_refused(parameters: str, message: str) -> None:
    """Each wrong parameter is refused with its name and what is allowed."""
    with pytest.raises(ValueError, match=message):
        describe(f"synthetic:{parameters}")


@pytest.mark.parametrize("name", ["yolo99", "", "demo2", "../demo", "synthetics"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    """The error for an unknown model says what there is."""
    with pytest.raises(UnknownModel, match="there are: demo, synthetic"):
        load(name)


def test_a_weights_file_that_is_not_there_is_named() -> None:
    """A path to no file is refused with the path."""
    with pytest.raises(UnknownModel, match="no file gone/missing.safetensors"):
        describe("gone/missing.safetensors")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (tuple(range(32, 32 * 8, 32)), "may have 6 different input sizes"),
        ((64, 64), "different input sizes"),
        ((8192,), "up to 4096"),
        ((65,), "multiples of 32"),
        ((), "at least one input size"),
    ],
)
def test_a_model_has_few_sizes_that_its_stride_divides(sizes: tuple[int, ...], message: str) -> None:
    """Each size is a lane with queues of its own."""
    with pytest.raises(ValueError, match=message):
        ModelSpec("m", "1", ("thing",), sizes, 32)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """A version names the bytes that were read: what somebody writes meanwhile must not come under its name."""
    path = write_tiny(tmp_path / "pets.safetensors", 1)
    with pytest.raises(WeightsError, match="changed while it was read"), registry._untouched(path):
        write_tiny(path, 2)
    with registry._untouched(path):
        assert load(str(path)).spec == describe(str(path))


def test_a_model_that_serves_does_not_see_its_file_overwritten(tmp_path: Path) -> None:
    """Weights are read into memory: writing over the file, or cutting it short, leaves the loaded network as it is."""
    path = write_tiny(tmp_path / "pets.safetensors", 1)
    tensors = read_tensors(path)
    before = {name: value.clone() for name, value in tensors.items()}
    other = write_tiny(tmp_path / "other.safetensors", 2).read_bytes()
    with path.open("r+b") as file:
        file.write(other)
    path.write_bytes(b"")
    assert all(torch.equal(before[name], value) for name, value in tensors.items())


def test_serving_a_model_loads_no_training_code() -> None:
    """A worker that loads the registry does not load what only training needs."""
    program = "import sys, models.registry; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "models.registry" in seen.stdout
    assert "models.train" not in seen.stdout
