"""Whether the service can serve at all."""

from __future__ import annotations

from gateway.crud.catalog import Catalog
from gateway.crud.living import living_workers
from tenfold.contract.errors import RequestError, Unavailable
from tenfold.store.gateway_store import GatewayStore


class NotReady(Unavailable):
    """The service cannot serve yet; ``missing`` says what it waits for."""

    code = "not_ready"

    def __init__(self, missing: list[str]) -> None:
        super().__init__("missing: " + "; ".join(missing), retry_after_s=1)
        self.missing = missing


async def check_ready(store: GatewayStore, catalog: Catalog, lost_after_ms: float) -> None:
    """Raise NotReady unless Redis answers, a scheduler leads and a living worker has the default model."""
    await store.ping()
    missing: list[str] = []
    if not await store.scheduler_leads():
        missing.append("no scheduler leads")
    models = await catalog.models()
    name = catalog.default_name(models)
    if name is None:
        missing.append(f"no worker has announced the model {catalog.default!r}")
    elif not any(living.info.version_of(name) for living in await living_workers(store, lost_after_ms)):
        missing.append(f"no living worker has the model {name!r}")
    if missing:
        raise NotReady(missing)


def store_is_down() -> RequestError:
    """The problem of a service whose Redis does not answer."""
    return NotReady(["Redis does not answer"])
