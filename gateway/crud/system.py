"""The system as it stands: queues, workers, models, and whether it can serve at all."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from gateway.crud.catalog import Catalog
from gateway.crud.clients import Client
from gateway.crud.jobs import iso
from gateway.crud.living import Living, living_workers
from gateway.crud.reloads import ReloadBody, reload_body
from gateway.crud.values_system import ValuesQueueBody, show_values_queue
from tenfold.contract.errors import RequestError, Unavailable
from tenfold.contract.records import ModelInfo, ServedModel
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.values_store import ValuesStanding


class QueueBody(msgspec.Struct, frozen=True):
    """One lane at one level, as the scheduler tells it."""

    name: str = ""
    pool: str = ""
    lane: str = ""
    level: int = 0
    waiting_items: int = 0
    queued_batches: int = 0
    running_batches: int = 0
    oldest_wait_ms: float | None = None
    arrived_per_s: float | None = None
    done_per_s: float | None = None
    capacity_per_s: float | None = None


class _Share(msgspec.Struct, frozen=True):
    job: str
    client: str
    images: int


class _Batch(msgspec.Struct, frozen=True):
    id: str
    lane: str
    level: int
    worker: str | None
    images: int
    for_ms: float
    shares: list[_Share]


class HistogramBody(msgspec.Struct, frozen=True):
    """A histogram of one lane and level: upper bounds, cumulated counts (the last is all), the sum."""

    lane: str
    level: int
    bounds: list[float]
    counts: list[int]
    sum: float


class PreemptedBody(msgspec.Struct, frozen=True):
    """How many batches of a lane and level made way for something more urgent."""

    lane: str
    level: int
    count: int


class Counts(msgspec.Struct, frozen=True):
    """What the leader counted since it leads; ``turns`` are by what the scheduler did with a job.

    ``joined`` counts the workers that came since then: one that was started again is another one.
    """

    turns: dict[str, int] = {}
    preempted: list[PreemptedBody] = []
    wait_s: list[HistogramBody] = []
    service_s: list[HistogramBody] = []
    fill_items: list[HistogramBody] = []
    joined: int = 0


class Sample(msgspec.Struct, frozen=True):
    """The system at one moment; the lists are by level."""

    at_ms: float
    arrived_per_s: float
    done_per_s: float
    waiting: list[int]
    p50_ms: list[float | None]
    p99_ms: list[float | None]


class HistoryBody(msgspec.Struct, frozen=True):
    """The last minutes, the oldest sample first."""

    every_ms: float = 0.0
    samples: list[Sample] = []


class Status(msgspec.Struct, frozen=True):
    """What a scheduler published last; all of it missing where none has for some seconds."""

    at_ms: float | None = None
    leader: str | None = None
    jobs: int | None = None
    drain_items_per_s: float | None = None
    queues: list[QueueBody] = []
    batches: list[_Batch] = []
    counts: Counts = msgspec.field(default_factory=Counts)
    history: HistoryBody = msgspec.field(default_factory=HistoryBody)


class ShareBody(msgspec.Struct, frozen=True):
    """What a job has in a batch. Of others' jobs, only that they are somebody's: ``job`` is null."""

    job: str | None
    client: str
    images: int


class BatchBody(msgspec.Struct, frozen=True):
    """A batch that has not ended: in its RQ queue, or held by ``worker``, for ``for_ms``."""

    id: str
    lane: str
    level: int
    worker: str | None
    images: int
    for_ms: float
    shares: list[ShareBody]


class TotalsBody(msgspec.Struct, frozen=True):
    """What is queued of everybody, and the bounds."""

    items: int
    bytes: int
    items_max: int
    bytes_max: int


class QueuesBody(msgspec.Struct, frozen=True):
    """Depth, age and rates on the wire; ``at`` is null where no scheduler tells.

    ``view`` is ``figures`` where the viewer showed no key and so is not told whose the batches are, else ``whole``.
    """

    view: str
    at: str | None
    leader: str | None
    jobs: int | None
    drain_items_per_s: float | None
    queued: TotalsBody
    queues: list[QueueBody]
    batches: list[BatchBody]
    turns: dict[str, int]
    history: HistoryBody
    values: ValuesQueueBody


class WorkerBody(msgspec.Struct, frozen=True):
    """A living worker on the wire."""

    name: str
    models: list[ServedModel]
    device: str
    levels: list[int]
    lanes: list[str]
    host: str | None
    pid: int | None
    started_at: str
    beat_age_ms: float
    state: str
    batches: list[str]


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


class NotReady(Unavailable):
    """The service cannot serve yet; ``missing`` says what it waits for."""

    code = "not_ready"

    def __init__(self, missing: list[str]) -> None:
        super().__init__("missing: " + "; ".join(missing), retry_after_s=1)
        self.missing = missing


async def list_workers(store: GatewayStore, lost_after_ms: float, viewer: Client) -> list[WorkerBody]:
    """The living workers and the batches that each holds; to a stranger, not where they run."""
    held: dict[str, list[str]] = defaultdict(list)
    for batch_id, name in sorted((await store.claims()).items()):
        held[name].append(batch_id)
    bodies = [_worker(living, held[living.info.name]) for living in await living_workers(store, lost_after_ms)]
    return [replace(body, host=None, pid=None) for body in bodies] if viewer.is_stranger else bodies


def _worker(living: Living, batches: list[str]) -> WorkerBody:
    info = living.info
    return WorkerBody(
        info.name,
        info.models,
        info.device,
        info.levels,
        info.lanes,
        info.host,
        info.pid,
        iso(info.started_ms),
        round(living.beat_age_ms, 1),
        "busy" if batches else "idle",
        batches,
    )


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


async def read_status(store: GatewayStore) -> Status:
    """What the scheduler last told."""
    return msgspec.convert(await store.status() or {}, Status, strict=False)


async def show_queues(store: GatewayStore, values: ValuesStanding, viewer: Client) -> QueuesBody:
    """What waits where and what is under way, as the scheduler last told and ``viewer`` may see it."""
    told = await read_status(store)
    return QueuesBody(
        "figures" if viewer.is_stranger else "whole",
        None if told.at_ms is None else iso(told.at_ms),
        told.leader,
        told.jobs,
        told.drain_items_per_s,
        await show_totals(store),
        told.queues,
        [_batch(batch, viewer, told.leader or "") for batch in told.batches],
        {**told.counts.turns, "preempted": sum(one.count for one in told.counts.preempted)},
        told.history,
        show_values_queue(values, store.keys),
    )


async def show_totals(store: GatewayStore) -> TotalsBody:
    """What is queued of everybody, and the bounds."""
    queued = await store.queued("")
    return TotalsBody(queued.items, queued.bytes, store.bounds.items_max, store.bounds.bytes_max)


def _batch(batch: _Batch, viewer: Client, leader: str) -> BatchBody:
    shares = [
        ShareBody(share.job if viewer.owns(share.client) else None, alias(share.client, leader), share.images)
        for share in ([] if viewer.is_stranger else batch.shares)
    ]
    return BatchBody(batch.id, batch.lane, batch.level, batch.worker, batch.images, batch.for_ms, shares)


def alias(client: str, salt: str) -> str:
    """A short name that tells clients apart without naming them."""
    return hashlib.blake2s(client.encode(), key=salt.encode()[:32], digest_size=2).hexdigest()


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
