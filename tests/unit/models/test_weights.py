from __future__ import annotations

import json
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.registry import describe, load, read_network
from models.weights.container import WeightsMetadata, read_metadata, read_tensors, sha256_of, write_weights
from models.weights.errors import WeightsError
from models.weights.state import load_strictly, read_state_dict
from models.yolo.network import Yolo
from tests.unit.models.tiny import METADATA, TINY, tiny


@pytest.fixture
def network() -> Yolo:
    return tiny(3)


@pytest.fixture
def weights(tmp_path: Path, network: Yolo) -> Path:
    path = tmp_path / "pets.safetensors"
    write_weights(path, network.state_dict(), METADATA)
    return path


def test_a_weights_file_gives_back_what_was_written(weights: Path, network: Yolo) -> None:
    """Metadata and every tensor read back equal."""
    assert read_metadata(weights) == METADATA
    read = read_network(weights).state_dict()
    assert read.keys() == network.state_dict().keys()
    assert all(torch.equal(read[name], value) for name, value in network.state_dict().items())


def test_a_file_serves_under_its_own_name_and_its_hash(weights: Path) -> None:
    """A path is a model: its spec comes from the header, its version from the bytes."""
    spec = describe(str(weights))
    assert (spec.name, spec.labels, spec.sizes) == ("pets", ("cat", "dog"), (64, 96))
    assert spec.version == sha256_of(weights)[:8]
    assert not spec.synthetic
    assert load(str(weights)).spec == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "other"}, "architecture 'other' is not known"),
        ({"labels": ("cat",)}, "1 labels for 2 classes"),
        ({"config": "{}"}, "not the configuration"),
        ({"sizes": (65,)}, "multiples of 32"),
        ({"stride": 16}, "stride 16"),
        ({"config": replace(TINY, classes=3).to_json(), "labels": ("a", "b", "c")}, "has misshapen head.classes"),
        ({"config": replace(TINY, depths=(2, 1, 1, 1)).to_json()}, "lacks backbone.stage4"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    tmp_path: Path, network: Yolo, change: dict[str, object], message: str
) -> None:
    """Each contradiction between header, tensors and what is known has its sentence, with the file's name."""
    path = tmp_path / "odd.safetensors"
    write_weights(path, network.state_dict(), replace(METADATA, **change))  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=message) as refused:
        load(str(path))
    assert "odd.safetensors" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "length makes no sense"),
        (b"not a weights file at all", "length makes no sense"),
        (struct.pack("<Q", 4) + b"nope", "not JSON"),
        (struct.pack("<Q", 2) + b"{}", "does not say format 'tenfold'"),
        (struct.pack("<Q", 30) + b'{"__metadata__":{"format": 12}}', "not JSON|not strings"),
    ],
)
def test_a_file_that_is_no_weights_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Empty, foreign and damaged files are refused by what is wrong with them."""
    path = tmp_path / "no.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        describe(str(path))


@pytest.mark.parametrize("field", ["labels", "sizes"])
@pytest.mark.parametrize("value", ["7", "[]", "[null]", "oops", '{"a": 1}'])
def test_a_header_with_senseless_lists_is_refused(field: str, value: str) -> None:
    """Labels must be a list of strings, sizes one of whole numbers."""
    with pytest.raises(WeightsError, match="header"):
        WeightsMetadata.from_header({**METADATA.to_header(), field: value})


def test_a_header_that_lacks_a_field_names_it() -> None:
    """A missing field is named."""
    header = METADATA.to_header()
    del header["config"]
    with pytest.raises(WeightsError, match="lacks 'config'"):
        WeightsMetadata.from_header(header)


def test_a_truncated_file_is_refused(weights: Path) -> None:
    """A file cut short is refused when its tensors are read."""
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="no whole safetensors file"):
        read_tensors(weights)


def test_strict_loading_names_each_kind_of_fault_and_changes_nothing(network: Yolo) -> None:
    """Missing, unexpected and misshapen tensors are all named, and the network keeps its own."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = {name: torch.ones_like(value) for name, value in before.items()}
    del state["backbone.stem.conv.weight"]
    state["hat"] = torch.zeros(1)
    state["backbone.stem.norm.weight"] = torch.zeros(3)
    state["backbone.stem.norm.bias"] = torch.zeros(8, dtype=torch.int64)
    with pytest.raises(WeightsError) as refused:
        load_strictly(network, state, "the test's state")
    message = str(refused.value)
    assert "the test's state does not fit" in message
    assert "lacks backbone.stem.conv.weight" in message
    assert "unexpected hat" in message
    assert "backbone.stem.norm.weight (3,) for (8,)" in message
    assert "backbone.stem.norm.bias torch.int64 for torch.float32" in message
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def test_half_precision_weights_are_widened(network: Yolo) -> None:
    """Weights stored in half precision load into a network in single precision."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    load_strictly(network, state, "halves")
    assert network.backbone.stem.conv.weight.dtype == torch.float32


def test_a_plain_state_dict_reads_back(tmp_path: Path, network: Yolo) -> None:
    """A state dict that torch.save wrote is read as it is."""
    torch.save(network.state_dict(), tmp_path / "plain.pt")
    assert read_state_dict(tmp_path / "plain.pt").keys() == network.state_dict().keys()


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, wrapped: bool) -> None:
    """A hostile file is refused and nothing of it runs, as a bare pickle and inside torch's archive."""
    path, bomb = tmp_path / "bomb.pt", _Bomb(tmp_path / "exploded")
    if wrapped:
        torch.save({"weight": bomb}, path)
    else:
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    with pytest.raises(WeightsError, match="no plain state dict"):
        read_state_dict(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [[], {}, {"a": 1}, {1: torch.zeros(1)}, torch.zeros(3)])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    """Lists, numbers and nameless tensors are no state dict."""
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match="no plain state dict"):
        read_state_dict(tmp_path / "odd.pt")


def test_the_header_alone_describes(weights: Path) -> None:
    """Describing a model reads no tensor: a file whose tensors are gone still says what it is."""
    content = weights.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    assert "__metadata__" in json.loads(content[8 : 8 + length])
    weights.write_bytes(content[: 8 + length])
    assert describe(str(weights)).labels == ("cat", "dog")


def test_a_header_that_claims_a_giant_is_refused_without_room_for_it(tmp_path: Path, network: Yolo) -> None:
    """A network of terabytes is compared by its shapes before any of it is allocated."""
    giant = replace(TINY, widths=(4096,) * 5, depths=(64,) * 4, neck=(4096,) * 3)
    path = tmp_path / "giant.safetensors"
    write_weights(path, network.state_dict(), replace(METADATA, config=giant.to_json()))
    with pytest.raises(WeightsError, match="does not fit the network"):
        load(str(path))
