"""The other services' part in a worker's tests: jobs submitted and batches dispatched by their own code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from scheduler.dispatch import Dispatcher
from tenfold.contract.codec import decode
from tenfold.contract.records import (
    POOL,
    BatchRecord,
    DetectOptions,
    ItemMeta,
    ItemResult,
    JobShare,
    ModelInfo,
    Submission,
)
from tenfold.contract.states import JobState
from tenfold.store.bounds import Bounds
from tenfold.store.connection import connect, connect_async
from tenfold.store.event_reader import EventReader
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.upload_store import UploadStep
from tenfold.store.worker_store import WorkerStore

FREE = "synthetic:base_ms=0,item_ms=0"
LEADER_S = 600


def picture(width: int = 32, height: int = 24, format: str = "JPEG") -> bytes:  # noqa: A002 - Pillow's own word
    """A small encoded image."""
    out = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, format)
    return out.getvalue()


@dataclass
class Desk:
    """Submits and dispatches for one synthetic model on the Redis at ``url``."""

    url: str
    model: str = FREE
    size: int = 320
    sequence: int = 0
    submitted: dict[str, Submission] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = connect(self.url)
        self.keys = Keys()
        self.scheduler = SchedulerStore(self.client, self.keys, 60_000)
        self.dispatcher = Dispatcher(self.scheduler, 60)
        self.token = "test"
        self.client.set(self.keys.leader, self.token, ex=LEADER_S)

    def close(self) -> None:
        self.client.close()

    @property
    def lane(self) -> str:
        return ModelInfo(self.model, "1", [], [self.size]).lane(self.size)

    def queue(self, level: int) -> str:
        return self.keys.queue_name(self.lane, level)

    def store(self, name: str, levels: Sequence[int] = (0, 1, 2), lease_ms: int = 5_000) -> WorkerStore:
        return WorkerStore(self.client, self.keys, name, [[self.queue(level)] for level in levels], lease_ms, 60_000)

    def submit(self, job_id: str, images: Sequence[bytes], options: DetectOptions | None = None) -> JobState:
        """A job of ``images``, accepted."""
        now_ms = self.now_ms()
        job = Submission(
            job_id,
            "client",
            self.model,
            self.size,
            POOL,
            self.lane,
            len(images),
            sum(map(len, images)),
            now_ms,
            options=options or DetectOptions(),
        )
        self.submitted[job_id] = job
        return asyncio.run(self._submit(job, images))

    async def _submit(self, job: Submission, images: Sequence[bytes]) -> JobState:
        async with connect_async(self.url) as client:
            store = GatewayStore(client, self.keys, Bounds(10**6, 10**9, 1.0), result_ttl_s=100)
            pieces = [(index, 0, image) for index, image in enumerate(images)]
            metas = [ItemMeta("a.jpg", len(image)) for image in images]
            step = UploadStep(job.job_id, job.client, first=True, images=len(images), pieces=pieces, metas=metas)
            await store.write_upload(step, job.submitted_ms)
            return await store.submit(job, {})

    def cancel(self, job_id: str) -> None:
        async def end() -> None:
            async with connect_async(self.url) as client:
                store = GatewayStore(client, self.keys, Bounds(10**6, 10**9, 1.0), result_ttl_s=100)
                await store.end_job(job_id, JobState.CANCELED)

        asyncio.run(end())

    def dispatch(self, *items: tuple[str, int], level: int = 0) -> str:
        """A batch of ``items``, enqueued; its id."""
        self.sequence += 1
        batch_id = f"000001-{self.sequence:010d}"
        jobs = {
            job_id: JobShare(self.submitted[job_id].options, self.submitted[job_id].submitted_ms) for job_id, _ in items
        }
        record = BatchRecord(batch_id, POOL, self.lane, self.model, self.size, level, list(items), jobs)
        self.dispatcher.dispatch(self.token, [record])
        return batch_id

    def dispatch_job(self, job_id: str, level: int = 0, batch_size: int = 10) -> list[str]:
        """All of a job, in batches."""
        count = self.submitted[job_id].count
        return [
            self.dispatch(*[(job_id, index) for index in range(start, min(count, start + batch_size))], level=level)
            for start in range(0, count, batch_size)
        ]

    def reap(self) -> list[str]:
        return list(self.scheduler.reap(self.token))

    def results(self, job_id: str) -> dict[int, ItemResult]:
        raw = self.client.hgetall(self.keys.results(job_id))
        return {int(index): decode(value, ItemResult) for index, value in raw.items()}

    def state(self, job_id: str) -> str:
        return str(self.client.hget(self.keys.job(job_id), "state").decode())

    def events(self) -> list[object]:
        return [event for _, event in EventReader(self.client, self.keys.events).read(b"0-0", 0)]

    def now_ms(self) -> float:
        seconds, micros = self.client.time()
        return float(seconds * 1000 + micros / 1000)
