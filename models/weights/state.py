"""Putting tensors into a network, all or none of them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.weights.errors import WeightsError

NAMED_AT_MOST = 5


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Makes ``state`` the network's own tensors, where names and shapes are exactly the same. It may be a meta network.

    Raises WeightsError that names the first few that are missing, unexpected, wrongly shaped or not of numbers; the
    network is unchanged then. ``source`` names the weights in the message. Half precision is widened to the network's
    own.
    """
    own = network.state_dict()
    faults = [
        _fault("lacks", own.keys() - state.keys()),
        _fault("has unexpected", state.keys() - own.keys()),
        _fault("has misshapen", (_misfit(name, state[name], own[name]) for name in own.keys() & state.keys())),
    ]
    if any(faults):
        raise WeightsError(f"{source} does not fit the network: it {'; it '.join(filter(None, faults))}")
    network.load_state_dict({name: state[name].to(own[name].dtype) for name in own}, strict=True, assign=True)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A plain state dict saved with torch.save, tensors by name. Nothing that is no tensor is let in.

    Raises WeightsError, also for a file that would have to run something to be read.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()
        raise WeightsError(f"{path}: no plain state dict: {reason[0] if reason else type(error).__name__}") from error
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{path}: no plain state dict: it holds {type(state).__name__}")
    strangers = [
        str(name) for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if strangers:
        raise WeightsError(f"{path}: no plain state dict: {_listed(strangers)} is no tensor")
    return dict(state)


def _misfit(name: str, given: Tensor, own: Tensor) -> str | None:
    if given.shape != own.shape:
        return f"{name} {tuple(given.shape)} for {tuple(own.shape)}"
    if given.is_floating_point() != own.is_floating_point():
        return f"{name} {given.dtype} for {own.dtype}"
    return None


def _fault(verb: str, names: Iterable[str | None]) -> str:
    found = sorted(name for name in names if name is not None)
    return f"{verb} {_listed(found)}" if found else ""


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
