from __future__ import annotations

import subprocess
import sys

import pytest

from models.registry import UnknownModel, describe, load
from models.synthetic import SyntheticDetector, SyntheticOptions


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


def test_serving_a_model_loads_no_training_code() -> None:
    """A worker that loads the registry does not load what only training needs."""
    program = "import sys, models.registry; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "models.registry" in seen.stdout
    assert "models.train" not in seen.stdout
