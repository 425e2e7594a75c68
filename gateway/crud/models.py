"""The models that can be asked for, and who holds which version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from gateway.crud.catalog import Catalog
from gateway.crud.clients import Client
from gateway.crud.living import Living, living_workers
from gateway.crud.reloads import ReloadBody, reload_body
from tenfold.contract.records import ModelInfo
from tenfold.store.gateway_store import GatewayStore


class VersionBody(msgspec.Struct, frozen=True):
    """A version of a model, and how many living workers hold it."""

    version: str
    workers: int


class ModelBody(msgspec.Struct, frozen=True):
    """A model on the wire; ``version`` is the one that was announced last, ``versions`` are those that workers hold."""

    name: str
    version: str
    description: str
    labels: list[str]
    sizes: list[int]
    synthetic: bool
    default: bool
    workers: int
    versions: list[VersionBody]
    reload: ReloadBody | None


async def list_models(store: GatewayStore, catalog: Catalog, viewer: Client, lost_after_ms: float) -> list[ModelBody]:
    """Every model that was ever announced, by name, with how many workers serve it now.

    What its owner says of it, what it was trained to tell apart, and what came of a reload, a stranger is not told.
    """
    models = await catalog.models()
    if not models:
        return []
    living = await living_workers(store, lost_after_ms)
    names = {one.info.name for one in living}
    told = await store.reloads()
    reloads = {one.request.model: reload_body(one, names, tells_why=viewer.sees_all) for one in told}
    default = catalog.default_name(models)
    bodies = [
        _model(model, living, reloads.get(name), default=name == default) for name, model in sorted(models.items())
    ]
    if viewer.is_stranger:
        return [replace(body, description="", labels=[], reload=None) for body in bodies]
    return bodies


def _model(model: ModelInfo, living: Sequence[Living], reload: ReloadBody | None, *, default: bool) -> ModelBody:
    held = [one.info.version_of(model.name) for one in living]
    versions = Counter(version for version in held if version is not None)
    return ModelBody(
        model.name,
        model.version,
        model.description,
        model.labels,
        model.sizes,
        model.synthetic,
        default,
        versions.total(),
        [VersionBody(version, count) for version, count in sorted(versions.items())],
        reload,
    )
