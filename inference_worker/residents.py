"""The models of one worker: each under its name, in one version at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inference_worker.resident import Resident
from tenfold.contract.records import ModelInfo, ServedModel

LANES_MAX = 32
"""Lanes of one worker, of all its models: each is a queue a level that every claim looks at."""


class Residents:
    """Looks models up for the main thread, which alone may :meth:`swap`; others may look as well.

    Raises:
        ValueError: two models have one name, or all together have too many lanes.
    """

    def __init__(self, residents: Iterable[Resident]) -> None:
        self._by_name: dict[str, Resident] = {}
        for resident in residents:
            self._add(resident)
        lanes = len(self.lanes)
        if lanes > LANES_MAX:
            counts = ", ".join(f"{info.name!r} {len(info.sizes)}" for info in self.infos)
            raise ValueError(
                f"{lanes} lanes are too many for one worker, {LANES_MAX} are allowed; models have: {counts}"
            )

    def _add(self, resident: Resident) -> None:
        info = resident.info
        twin = self._by_name.get(info.name)
        if twin is not None:
            asked = " and ".join(repr(one.info.source) for one in (twin, resident))
            raise ValueError(
                f"{asked} are both named {info.name!r}; rename the file of one, or give it a worker of its own"
            )
        self._by_name[info.name] = resident

    def of(self, model: str) -> Resident:
        """The model called ``model``, in the version that is held now."""
        return self._by_name[model]

    def swap(self, resident: Resident) -> None:
        """Hold ``resident`` from now on in place of the one of its name."""
        assert resident.info.name in self._by_name, "only what is served can be swapped"
        self._by_name = {**self._by_name, resident.info.name: resident}

    def __iter__(self) -> Iterator[Resident]:
        """The models, in the order in which they were asked for."""
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """The models' names, in the order in which they were asked for."""
        return list(self._by_name)

    @property
    def infos(self) -> list[ModelInfo]:
        """What the models announce."""
        return [resident.info for resident in self]

    @property
    def served(self) -> list[ServedModel]:
        """The models with the versions that are held now."""
        return [ServedModel(info.name, info.version) for info in self.infos]

    @property
    def lanes(self) -> list[str]:
        """The lanes of all models."""
        return [lane for resident in self for lane in resident.lanes]
