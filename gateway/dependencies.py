"""What routes are given: the store, who asks, and the parts that need them."""

from dataclasses import dataclass
from random import SystemRandom
from typing import Annotated

import redis.asyncio
from fastapi import Depends, Request

from gateway.crud.admission import Admission
from gateway.crud.bodies import Bodies
from gateway.crud.catalog import Catalog
from gateway.crud.changes import Changes
from gateway.crud.clients import Client, Keyring, Scope
from gateway.crud.clock import StoreClock
from gateway.crud.drawing import Drawing
from gateway.crud.gallery import Gallery
from gateway.crud.intake import Intake
from gateway.crud.jobs import Jobs
from gateway.crud.parts import Parts
from gateway.crud.quotas import Quotas
from gateway.crud.spool import Spool
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.crud.uploads import UploadLimits
from gateway.crud.values import Values
from gateway.metrics import Metrics
from tenfold.settings import Settings
from tenfold.store.bounds import Bounds
from tenfold.store.connection import connect_async
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.keys import Keys
from tenfold.store.values_store import ValuesStore

SPOOLED_BODIES_MAX = 4
"""The archives that one process spools hold so many of the largest bodies together."""
FSYNC_WITHIN_MS = 4000
"""With strict durability a submission waits so long for the disk: Redis syncs each second, and answers within 5 s."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one gateway process. Nothing in it outlives a request but caches and who waits."""

    settings: Settings
    redis: redis.asyncio.Redis
    store: GatewayStore
    clock: StoreClock
    catalog: Catalog
    changes: Changes
    intake: Intake
    drawing: Drawing
    gallery: Gallery
    keyring: Keyring
    metrics: Metrics
    tracing: Tracing = UNTRACED

    @classmethod
    def of(cls, settings: Settings, tracing: Tracing = UNTRACED) -> "Gateway":
        """Put together from the settings; connects to nothing yet. Raises SettingsError."""
        client = connect_async(settings.require_redis_url())
        fsync_within_ms = FSYNC_WITHIN_MS if settings.durability == "strict" else 0
        store = GatewayStore(
            client, Keys(settings.key_prefix), _bounds(settings), int(settings.result_ttl_s), fsync_within_ms
        )
        clock = StoreClock(store)
        catalog = Catalog(store, settings.model[0])
        limits = UploadLimits(settings.file_bytes_max, settings.pixels_max, settings.images_per_job_max)
        admission = Admission(store)
        drawing = Drawing(store)
        spool = Spool(settings.spool_dir, SPOOLED_BODIES_MAX * settings.body_bytes_max)
        return cls(
            settings,
            client,
            store,
            clock,
            catalog,
            Changes(store),
            Intake(
                store,
                clock,
                catalog,
                admission,
                Bodies(admission, limits, settings.body_bytes_max, spool),
                Quotas(store),
                settings.allotments,
                tracing,
            ),
            drawing,
            Gallery(store, drawing),
            Keyring.of(settings.api_keys, settings.trusted_proxies),
            Metrics(),
            tracing,
        )

    @property
    def values(self) -> ValuesStore:
        """The values' side of the store."""
        return ValuesStore(
            self.redis,
            self.store.keys,
            stored_bytes_max=self.settings.stored_values_bytes_max,
            waiting_max=self.settings.queued_values_max,
            run_ttl_s=int(self.settings.result_ttl_s),
        )

    @property
    def lost_after_ms(self) -> float:
        """A worker that has not beaten for so long counts as lost."""
        return self.settings.lease_s * 1000


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        settings.queued_items_max,
        settings.queued_bytes_max,
        settings.client_share_max,
        settings.images_per_job_max,
        settings.open_jobs_max,
    )


# Asynchronous although they wait for nothing: the framework sends others through a thread, for each request.


async def gateway_of(request: Request) -> Gateway:
    """This process's gateway."""
    return _gateway(request)


async def caller_of(request: Request) -> Client:
    """Who asks. Raises Unauthorized where keys are on and none that is known is shown, Forbidden where it may not.

    Looking needs the scope ``read``, all else ``submit``; what needs ``admin`` says so at its route.
    """
    peer = request.client.host if request.client else None
    client = _gateway(request).keyring.identify(request.headers, peer)
    request.scope["tenfold.client"] = client.id
    client.require(Scope.READ if request.method in {"GET", "HEAD"} else Scope.SUBMIT)
    return client


async def viewer_of(request: Request) -> Client:
    """Who looks at the system's figures: as :func:`caller_of`, or a stranger where those are public.

    Only looking is lenient: a route of these that changes anything asks for a key as all others do.
    """
    gateway = _gateway(request)
    if not gateway.settings.public_status or request.method not in {"GET", "HEAD"}:
        return await caller_of(request)
    client = gateway.keyring.look(request.headers, request.client.host if request.client else None)
    request.scope["tenfold.client"] = client.id
    if not client.is_stranger:
        client.require(Scope.READ)
    return client


async def admin_of(client: Annotated[Client, Depends(caller_of)]) -> Client:
    """Who asks, with the right to undo what is everybody's. Raises Forbidden."""
    client.require(Scope.ADMIN)
    return client


async def jobs_of(request: Request) -> Jobs:
    """Jobs, with links that begin where this server is mounted."""
    return Jobs(_gateway(request).store, request.scope.get("root_path", ""))


async def parts_of(request: Request) -> Parts:
    """Parts of open jobs."""
    return Parts(_gateway(request).intake)


async def values_of(request: Request) -> Values:
    """Values, with links that begin where this server is mounted."""
    gateway = _gateway(request)
    return Values(gateway.values, SystemRandom(), gateway.settings.value_bytes_max, request.scope.get("root_path", ""))


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


ThisGateway = Annotated[Gateway, Depends(gateway_of)]
Caller = Annotated[Client, Depends(caller_of)]
Viewer = Annotated[Client, Depends(viewer_of)]
JobDesk = Annotated[Jobs, Depends(jobs_of)]
PartDesk = Annotated[Parts, Depends(parts_of)]
ValuesDesk = Annotated[Values, Depends(values_of)]
