"""Which models can be asked for, and which lane a request means."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from gateway.crud.fields import InvalidField, Wishes
from tenfold.contract.errors import Unavailable
from tenfold.contract.records import ModelInfo
from tenfold.store.gateway_store import GatewayStore

FRESH_S: Final = 1.0
NO_WORKER_RETRY_S: Final = 5.0


@dataclass(slots=True)
class Catalog:
    """The models that workers announced, read from the store at most once a second.

    Attributes:
        default: the model that a request means when it names none: its name, or what workers were told to load.
    """

    store: GatewayStore
    default: str
    _models: dict[str, ModelInfo] = field(default_factory=dict, init=False)
    _read_s: float = field(default=float("-inf"), init=False)

    async def models(self) -> dict[str, ModelInfo]:
        """Every model that was ever announced, by name."""
        if not self._models or time.monotonic() - self._read_s > FRESH_S:
            self._models = {model.name: model for model in await self.store.models()}
            self._read_s = time.monotonic()
        return self._models

    async def lanes(self, name: str) -> list[str]:
        """The lanes of the model called ``name``, of which every worker that serves one serves all."""
        model = (await self.models()).get(name)
        return [] if model is None else model.lanes

    async def choose(self, wishes: Wishes) -> tuple[ModelInfo, int]:
        """The model and the input size, in pixels, that a request means.

        Raises:
            Unavailable: no model was ever announced (``no_worker``).
            InvalidField: no such model, or it does not take this size.
        """
        model = self.named(await self.models(), wishes.model)
        size = model.sizes[0] if wishes.size is None else wishes.size
        if size not in model.sizes:
            offered = ", ".join(map(str, model.sizes))
            raise InvalidField("imgsz", f"imgsz is {size}; {model.name} takes {offered}", code="unknown_size")
        return model, size

    async def check(self, wishes: Wishes) -> None:
        """Raise as :meth:`choose` does for what can be said before the body is read: it may name the model yet."""
        models = await self.models()
        if wishes.model is not None or not models:
            self.named(models, wishes.model)

    def named(self, models: dict[str, ModelInfo], name: str | None) -> ModelInfo:
        """The model called ``name``, or the default one. Raises as :meth:`choose` does."""
        if not models:
            raise Unavailable(
                "no worker has announced a model yet; start one, or try again when it has loaded",
                code="no_worker",
                retry_after_s=NO_WORKER_RETRY_S,
            )
        wanted = (self.default_name(models) or self.default) if name is None else name
        if wanted not in models:
            known = ", ".join(sorted(models))
            raise InvalidField("model", f"there is no model {wanted[:64]!r}; known: {known}", code="unknown_model")
        return models[wanted]

    def default_name(self, models: dict[str, ModelInfo]) -> str | None:
        """The model that a request means when it names none; the only one there is, where the default is not there."""
        if self.default in models:
            return self.default
        # A file's model has a name of its own, which only the worker that loaded it knows.
        loaded = [model.name for model in models.values() if model.source == self.default]
        return next(iter(loaded or models)) if loaded or len(models) == 1 else None
