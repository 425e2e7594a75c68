"""Loading a model anew while the old one serves.

A request stands in Redis. A thread looks for it, loads and warms the model, and offers it; the main thread takes it
between two batches, so that no batch has two versions. A model that does not load changes nothing.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from redis.exceptions import RedisError

from inference_worker.calm import calm_torch
from inference_worker.outage import Outage
from inference_worker.resident import Resident
from inference_worker.residents import Residents
from inference_worker.stopping import StopFlag
from models.registry import describe
from tenfold.contract.records import ModelInfo, ReloadOutcome, ReloadState
from tenfold.logs import about
from tenfold.store.worker_store import WorkerStore

log = logging.getLogger("tenfold.worker")

LOOK_EACH_S = 1.0
"""How often to look for a request: one small command."""
STOP_S = 1.0
"""How long a stop waits for the thread to end."""
ERROR_CHARACTERS_MAX = 500
_OFFER_LOOK_S = 0.2


class NotTheSame(ValueError):
    """What was loaded cannot stand in for what serves."""


class Maker(Protocol):
    """What a model is loaded by."""

    def version(self, source: str) -> str:
        """What would be loaded now."""

    def make(self, source: str) -> Resident:
        """Load it."""

    def warm(self, resident: Resident) -> None:
        """Run it once in every shape that is dear the first time; raise what it raises."""


@dataclass(frozen=True, slots=True)
class Making:
    """Loads models by their sources.

    Attributes:
        batch_size: of the batches that will come.
    """

    device: torch.device
    batch_size: int

    def version(self, source: str) -> str:
        """What would be loaded now. Raises as ``models.registry.describe`` does."""
        return describe(source).version

    def make(self, source: str) -> Resident:
        """Load it. Raises as ``models.registry.load`` does."""
        return Resident.load(source, self.device)

    def warm(self, resident: Resident) -> None:
        """Raise what it raises on its first images. On a CPU one image tells; a batch would take a core from others."""
        shapes = [1] if self.device.type == "cpu" else [1, self.batch_size]
        for size in resident.info.sizes:
            resident.detector.warm(size, shapes)


class Reloading:
    """The thread, and what it offers. ``settle`` belongs to the main thread, between two batches.

    Args:
        seen: the requests that were there before the models were loaded, by model.
        swap: puts a model in the place of the one of its name; called by ``settle``.
        rejoin: announces what is held now; called from the thread.
        look_each_s: how often to look for a request.
    """

    def __init__(
        self,
        store: WorkerStore,
        residents: Residents,
        making: Maker,
        seen: Mapping[str, str],
        swap: Callable[[Resident], None],
        rejoin: Callable[[Sequence[ModelInfo]], None],
        look_each_s: float = LOOK_EACH_S,
    ) -> None:
        self._store = store
        self._residents = residents
        self._making = making
        self._seen = dict(seen)
        self._swap = swap
        self._rejoin = rejoin
        self._look_each_s = look_each_s
        self._offered: Resident | None = None
        self._taken = threading.Event()
        self._calm = threading.Event()
        self._ending = threading.Event()
        self._stop = StopFlag()
        self._outage = Outage(self._stop)
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Begin to look. Returns once torch is calm in the thread: the main one sets its own count afterwards."""
        self._thread.start()
        self._calm.wait()

    def stop(self) -> None:
        """Stop looking. A model that loads is waited for no longer than a moment: nobody will take it."""
        self._stop.set()
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def is_loading(self) -> bool:
        """Whether the thread has not ended after a stop."""
        return self._thread.is_alive()

    def settle(self) -> None:
        """Hold what is offered, if anything is."""
        resident, self._offered = self._offered, None
        if resident is not None:
            self._swap(resident)
            self._taken.set()

    def _run(self) -> None:
        calm_torch()
        self._calm.set()
        while not self._ending.wait(self._look_each_s):
            try:
                self.look()
            except RedisError as error:
                log.debug("no look for reloads: %s", error)

    def look(self) -> None:
        """Do what was asked for since the last look. Redis errors are raised."""
        for model, request in self._store.reloads(self._residents.names).items():
            if self._seen.get(model) != request.id:
                self._seen[model] = request.id
                with about(model=model, reload=request.id):
                    self._reload(model, request.id)

    def _reload(self, model: str, reload_id: str) -> None:
        self._tell(reload_id, ReloadState.LOADING, self._residents.of(model).info.version)
        try:
            outcome = self._replace(model)
        except Exception as error:  # noqa: BLE001 - whatever a model raises while it loads, the old one goes on
            held = self._residents.of(model).info.version
            log.error("model %s was not reloaded, version %s serves on: %s", model, held, error)
            self._tell(reload_id, ReloadState.FAILED, held, f"{error}"[:ERROR_CHARACTERS_MAX] or type(error).__name__)
            return
        finally:
            _free()
        if outcome is not None:
            self._tell(reload_id, outcome, self._residents.of(model).info.version)

    def _replace(self, model: str) -> ReloadState | None:
        """Load and hand over; None where the worker stops before that."""
        old = self._residents.of(model).info
        if self._making.version(old.source) == old.version:
            log.info("model %s is reloaded: it is version %s still", model, old.version)
            return ReloadState.UNCHANGED
        fresh = self._making.make(old.source)
        fresh = stand_in(fresh, old)
        self._making.warm(fresh)
        log.info("model %s is loaded in version %s, to serve instead of %s", model, fresh.info.version, old.version)
        if not self._hand_over(fresh):
            return None
        self._outage.retry(lambda: self._rejoin(self._residents.infos))
        return ReloadState.SERVED

    def _hand_over(self, fresh: Resident) -> bool:
        self._taken.clear()
        self._offered = fresh
        while not self._taken.wait(_OFFER_LOOK_S):
            if self._ending.is_set():
                return False
        return True

    def _tell(self, reload_id: str, state: ReloadState, version: str, error: str | None = None) -> None:
        self._outage.retry(lambda: self._store.tell_reload(reload_id, ReloadOutcome(state, version, error)))


def stand_in(fresh: Resident, old: ModelInfo) -> Resident:
    """``fresh`` as it serves in the place of ``old``: at the same sizes, since its lanes stay as they are.

    Raises:
        NotTheSame: it has another name, or does not take a size that ``old`` takes.
    """
    info = fresh.info
    if info.name != old.name:
        raise NotTheSame(f"{old.source} is model {info.name!r} now, not {old.name!r}")
    missing = [size for size in old.sizes if size not in info.sizes]
    if missing:
        raise NotTheSame(
            f"version {info.version} does not take the input sizes {', '.join(map(str, missing))}, which "
            f"version {old.version} serves; restart the workers to serve {', '.join(map(str, info.sizes))}"
        )
    return fresh.limited_to(old.sizes)


def _free() -> None:
    """Give back what a model held that is used no more: networks hold themselves in circles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
