"""One Redis with a gateway's, a scheduler's and a worker's side, and a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scheduler.dispatch import Dispatcher
from tenfold.contract.codec import decode
from tenfold.contract.events import BatchEnded, EndReason
from tenfold.contract.records import (
    POOL,
    BatchRecord,
    DetectOptions,
    ItemError,
    ItemMeta,
    ItemResult,
    JobShare,
    Submission,
    lane_name,
)
from tenfold.contract.states import JobState
from tenfold.store.bounds import Bounds
from tenfold.store.connection import connect, connect_async
from tenfold.store.event_reader import EventReader
from tenfold.store.gateway_store import ArrivedPart, GatewayStore
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.upload_store import UploadStep
from tenfold.store.worker_store import Claim, WorkerStore

LANE = lane_name("toy", 64)
QUEUES = [[f"tenfold:{LANE}:{level}"] for level in range(3)]


@dataclass
class World:
    url: str
    bounds: Bounds = field(default_factory=lambda: Bounds(1000, 10**6, 0.5))
    keep_images_ms: int = 60_000
    idempotency: tuple[str, str] | None = None
    fsync_within_ms: int = 0

    def __post_init__(self) -> None:
        self.client = connect(self.url)
        self.keys = Keys()
        self.scheduler = SchedulerStore(self.client, self.keys, self.keep_images_ms)
        self.dispatcher = Dispatcher(self.scheduler, 60)
        self.token = self.scheduler.lead("") or ""
        # Tests take as long as the machine takes; a scheduler's lease must not run out meanwhile.
        self.client.persist(self.keys.leader)

    def close(self) -> None:
        self.client.close()

    def worker(self, name: str = "w1", lease_ms: int = 5_000) -> WorkerStore:
        return WorkerStore(self.client, self.keys, name, QUEUES, lease_ms, self.keep_images_ms)

    def at(self, now_ms: int) -> SchedulerStore:
        return replace(self.scheduler, injected_now_ms=now_ms)

    def submit(
        self,
        job_id: str,
        count: int,
        *,
        client: str = "c",
        rejected: Mapping[int, ItemResult] | None = None,
        deadline_ms: float | None = None,
        is_open: bool = False,
    ) -> JobState:
        job = Submission(
            job_id, client, "toy", 64, POOL, LANE, count, count * 3, 1_000.0, deadline_ms=deadline_ms, open=is_open
        )
        return asyncio.run(self._submit(job, rejected or {}))

    async def _submit(self, job: Submission, rejected: Mapping[int, ItemResult]) -> JobState:
        async with connect_async(self.url) as client:
            store = GatewayStore(client, self.keys, self.bounds, 100, self.fsync_within_ms)
            now_ms = await store.now_ms()
            metas = [ItemMeta(f"{index}.jpg", 3) for index in range(job.count)]
            for offset, piece in ((0, b"ab"), (2, b"c")):
                pieces = [(index, offset, piece) for index in range(job.count)]
                step = UploadStep(job.job_id, job.client, not offset, job.count, pieces, metas if offset else ())
                await store.write_upload(step, now_ms)
            return await store.submit(job, rejected, self.idempotency)

    def extend(
        self, job_id: str, upload_id: str, count: int, *, rejected: Mapping[int, ItemResult] | None = None
    ) -> int:
        """A part of ``count`` images of three bytes, whose names begin with the upload's; the first's index."""
        pieces = [(index, 0, b"%d%02d" % (len(upload_id) % 10, index % 100)) for index in range(count)]
        metas = [ItemMeta(f"{upload_id}-{index}.jpg", 3) for index in range(count)]
        step = UploadStep(upload_id, "c", first=True, images=count, pieces=pieces, metas=metas, extends=job_id)
        self.ask("write_upload", step, self.now_ms())
        for index in rejected or {}:
            self.ask("drop_image", upload_id, index)
        stored = 3 * (count - len(rejected or {}))
        part = ArrivedPart(upload_id, count, stored)
        return int(self.ask("extend", job_id, part, rejected or {}, self.idempotency))

    def now_ms(self) -> float:
        seconds, micros = self.client.time()
        return float(seconds * 1000 + micros / 1000)

    def ask(self, verb: str, *args: Any, **named: Any) -> Any:
        """Call an asynchronous verb of the gateway's store."""

        async def run() -> Any:
            async with connect_async(self.url) as client:
                store = GatewayStore(client, self.keys, self.bounds, 100, self.fsync_within_ms)
                return await getattr(store, verb)(*args, **named)

        return asyncio.run(run())

    def dispatch(self, batch_id: str, items: list[tuple[str, int]], level: int = 0) -> BatchRecord:
        deadlines = {job: self._deadline(job) for job, _ in items}
        shares = {job: JobShare(DetectOptions(), 1_000.0, deadline) for job, deadline in deadlines.items()}
        record = BatchRecord(batch_id, POOL, LANE, "toy", 64, level, items, shares)
        self.dispatcher.dispatch(self.token, [record])
        return record

    def _deadline(self, job_id: str) -> float | None:
        raw = self.client.hget(self.keys.job(job_id), "submission")
        return None if raw is None else decode(raw, Submission).deadline_ms

    def finish(self, worker: WorkerStore, claim: Claim, left: list[int] | None = None) -> bool:
        ran = [position for position in claim.positions if position not in (left or [])]
        results = [(claim.batch.items[p][0], done(claim.batch.items[p][1])) for p in ran]
        reason = EndReason.STOPPED if left else EndReason.FINISHED
        event = BatchEnded(claim.batch.id, worker.worker, reason, left or [], [(len(ran), 1.0)])
        return worker.commit(event, results, 0.001)

    def state(self, job_id: str) -> str:
        return str(self.client.hget(self.keys.job(job_id), "state").decode())

    def counts(self, job_id: str) -> tuple[int, int]:
        done_count, failed = self.client.hmget(self.keys.job(job_id), "done", "failed")
        return int(done_count), int(failed)

    def events(self) -> list[object]:
        return [event for _, event in EventReader(self.client, self.keys.events).read(b"0-0", 0)]


def done(index: int) -> ItemResult:
    return ItemResult(index, 4, 4, [], None)


def refused(index: int) -> ItemResult:
    return ItemResult(index, None, None, None, ItemError("unsupported_image_format", "no image"))
