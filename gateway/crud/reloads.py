"""Asking the workers to load a model anew, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Collection

import msgspec

from gateway.crud.catalog import NO_WORKER_RETRY_S, Catalog
from gateway.crud.jobs import iso
from gateway.crud.living import living_workers
from tenfold.contract.errors import NotFound, Unavailable
from tenfold.contract.records import RELOADED, ReloadRequest
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.system_reader import Reload

PENDING = "pending"
"""The worker has not said anything yet: it looks once a second."""
GONE = "gone"
"""The worker is gone; who takes its place loads what is there then."""


class WorkerReloadBody(msgspec.Struct, frozen=True):
    """How far one worker is: ``version`` is what it holds, ``error`` why it could not take another."""

    worker: str
    state: str
    version: str | None
    error: str | None


class ReloadBody(msgspec.Struct, frozen=True):
    """A reload on the wire; ``version`` is the one that was announced when it was asked for."""

    reload: str
    model: str
    version: str
    requested_at: str
    done: bool
    workers: list[WorkerReloadBody]


HIDDEN = "it could not be loaded; a key with the scope admin is told why"
"""What those are told who may not know how this machine's files are called."""


async def request_reload(store: GatewayStore, catalog: Catalog, name: str, lost_after_ms: float) -> ReloadBody:
    """Ask every living worker that holds the model called ``name`` to load it anew.

    Raises:
        NotFound: there is no such model (``model_not_found``).
        Unavailable: no living worker holds it (``no_worker``).
    """
    models = await catalog.models()
    if name not in models:
        known = ", ".join(sorted(models)) or "none"
        raise NotFound(f"there is no model {name[:64]!r}; known: {known}", code="model_not_found")
    living = await living_workers(store, lost_after_ms)
    workers = [one.info.name for one in living if one.info.version_of(name) is not None]
    if not workers:
        raise Unavailable(
            f"no living worker holds the model {name!r}; one that starts loads what is there then",
            code="no_worker",
            retry_after_s=NO_WORKER_RETRY_S,
        )
    request = ReloadRequest(secrets.token_hex(8), name, models[name].version, await store.now_ms(), workers)
    await store.request_reload(request)
    return reload_body(Reload(request, {}), set(workers), tells_why=True)


def reload_body(reload: Reload, living: Collection[str], *, tells_why: bool) -> ReloadBody:
    """A reload on the wire, where ``living`` are the names of the workers that live; errors name files."""
    request = reload.request
    names = [*request.workers, *sorted(reload.outcomes.keys() - set(request.workers))]
    workers = [_worker(reload, name, alive=name in living, tells_why=tells_why) for name in names]
    done = all(worker.state in {*RELOADED, GONE} for worker in workers)
    return ReloadBody(request.id, request.model, request.version, iso(request.requested_ms), done, workers)


def _worker(reload: Reload, name: str, *, alive: bool, tells_why: bool) -> WorkerReloadBody:
    outcome = reload.outcomes.get(name)
    if outcome is None or (not alive and outcome.state not in RELOADED):
        return WorkerReloadBody(name, PENDING if alive else GONE, None, None)
    why = outcome.error if tells_why or outcome.error is None else HIDDEN
    return WorkerReloadBody(name, str(outcome.state), outcome.version, why)
