"""What the scheduler last told of itself, read within its shape."""

from __future__ import annotations

import msgspec

from tenfold.contract.records import Sample
from tenfold.store.gateway_store import GatewayStore


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


class LiveShare(msgspec.Struct, frozen=True):
    """What a job of ``client`` has in a batch."""

    job: str
    client: str
    images: int


class LiveBatch(msgspec.Struct, frozen=True):
    """A batch that has not ended, as the scheduler tells it: all of it, before anybody looks."""

    id: str
    lane: str
    level: int
    worker: str | None
    images: int
    for_ms: float
    shares: list[LiveShare]


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
    batches: list[LiveBatch] = []
    counts: Counts = msgspec.field(default_factory=Counts)
    history: HistoryBody = msgspec.field(default_factory=HistoryBody)


async def read_status(store: GatewayStore) -> Status:
    """What the scheduler last told."""
    return msgspec.convert(await store.status() or {}, Status, strict=False)
