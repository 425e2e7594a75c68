"""A real gateway on a free port, a real Redis behind it, and a scheduler and worker played by hand in a thread."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

import httpx
import uvicorn
from msgspec.structs import replace
from PIL import Image

from gateway.app import create_app
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.protocol import Protocol
from scheduler.dispatch import Dispatcher
from tenfold.contract.events import BatchEnded, JobExtended, JobSubmitted
from tenfold.contract.records import (
    POOL,
    BatchRecord,
    Detection,
    ItemError,
    ItemResult,
    JobShare,
    ModelInfo,
    ServedModel,
    Submission,
    Timing,
    WorkerInfo,
)
from tenfold.settings import Settings
from tenfold.store.connection import connect
from tenfold.store.event_reader import EventReader
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.worker_store import WorkerStore
from tests.integration.waiting import wait_for

MODEL = ModelInfo("toy", "1", ["circle", "square"], [64, 32], "a toy")
KEYS = Keys()


def image(size: tuple[int, int] = (8, 6), kind: str = "JPEG", color: str = "red") -> bytes:
    out = BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


@dataclass
class Backend:
    """Plays scheduler and worker: every submitted job in batches of ten, one after the other, while it is let."""

    url: str
    let: threading.Event = field(default_factory=threading.Event)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.client = connect(self.url)
        self.scheduler = SchedulerStore(self.client, KEYS, 60_000)
        self.dispatcher = Dispatcher(self.scheduler, 60)
        self.token = self.scheduler.lead("") or ""
        queues = [[KEYS.queue_name(MODEL.lane(size), level) for size in MODEL.sizes] for level in range(3)]
        self.worker = WorkerStore(self.client, KEYS, "w1", queues, 15_000, 60_000)
        models = [ServedModel("toy", "1")]
        self.info = WorkerInfo("w1", POOL, MODEL.lanes, [0, 1, 2], models, "cpu", "here", 1, 0.0)
        self.batches = 0
        self.jobs: list[Submission] = []

    def announce(self) -> None:
        self.worker.join(self.info, [MODEL])
        self.worker.beat(self.info, [])

    def announce_as(self, worker: str, version: str, name: str = "toy", source: str = "") -> None:
        """A worker that holds one model and does nothing."""
        model = replace(MODEL, name=name, version=version, source=source)
        info = replace(self.info, name=worker, models=[ServedModel(name, version)], lanes=model.lanes)
        store = dataclasses.replace(self.worker, worker=worker)
        store.join(info, [model])
        store.beat(info, [])

    def live(self) -> None:
        """Lead on, as a scheduler does again and again."""
        self.scheduler.lead(self.token)

    def run(self) -> None:
        self.announce()
        last = b"0-0"
        events = EventReader(self.client, KEYS.events)
        while not self.stopping:
            self.live()
            for place, event in events.read(last, 50):
                last = place
                if isinstance(event, JobSubmitted):
                    self.jobs.append(event.job)
                    self._serve(event.job, range(event.job.count), event.rejected)
                elif isinstance(event, JobExtended):
                    job = next(job for job in self.jobs if job.job_id == event.job_id)
                    self._serve(job, range(event.first, event.first + event.count), event.rejected)

    def _serve(self, job: Submission, added: Sequence[int], rejected: Sequence[int]) -> None:
        indexes = [i for i in added if i not in set(rejected)]
        for start in range(0, len(indexes), 10):
            self.live()
            while not self.let.wait(0.05):
                self.live()
                if self.stopping:
                    return
            self._batch(job, indexes[start : start + 10])

    def _batch(self, job: Submission, indexes: list[int]) -> None:
        self.batches += 1
        share = JobShare(job.options, job.submitted_ms, job.deadline_ms)
        items = [(job.job_id, index) for index in indexes]
        record = BatchRecord(
            f"1-{self.batches:06}", job.pool, job.lane, job.model, job.size, 0, items, {job.job_id: share}
        )
        self.dispatcher.dispatch(self.token, [record])
        claim = self.worker.claim()
        if claim is None:
            return
        blobs = self.worker.blobs(claim.batch.items)
        results = [
            (job_id, self.look(index, blob)) for (job_id, index), blob in zip(claim.batch.items, blobs, strict=True)
        ]
        self.worker.commit(BatchEnded(claim.batch.id, "w1"), results, 0.001)

    @contextmanager
    def playing(self) -> Iterator[Self]:
        """On a thread of its own, let from the start."""
        self.let.set()
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            self.stopping = True
            thread.join()
            self.client.close()

    def look(self, index: int, blob: bytes | None) -> ItemResult:
        try:
            assert blob is not None
            with Image.open(BytesIO(blob)) as opened:
                opened.load()
                width, height = opened.size
        except OSError:
            error = ItemError("truncated_image", "the image ends early")
            return ItemResult(index, None, None, None, error, timing=Timing())
        box = (0.0, 0.0, float(width), float(height))
        return ItemResult(index, width, height, [Detection(box, 0.9, 0, "circle")], None, timing=Timing(1.0, 2.0, 3.0))


class BlindBackend(Backend):
    """Finds nothing in anything, without looking."""

    def look(self, index: int, blob: bytes | None) -> ItemResult:  # noqa: ARG002 - Backend is who looks at it
        return ItemResult(index, 1, 1, [], None, timing=Timing())


@dataclass
class World:
    url: str
    backend: Backend
    server: uvicorn.Server
    http: httpx.Client


@contextmanager
def running_world(redis_url: str, settings: Settings | None = None, tracing: Tracing = UNTRACED) -> Iterator[World]:
    """A gateway and its backend; the backend serves at once unless ``world.backend.let`` is cleared."""
    with (
        Backend(redis_url).playing() as backend,
        running_gateway(redis_url, settings, tracing) as (server, url),
        httpx.Client(base_url=url, timeout=20) as http,
    ):
        wait_for(lambda: http.get("/readyz").status_code == 200, "the model")
        yield World(url, backend, server, http)


@contextmanager
def running_gateway(
    redis_url: str, settings: Settings | None = None, tracing: Tracing = UNTRACED
) -> Iterator[tuple[uvicorn.Server, str]]:
    """A gateway in a thread, listening on a free port."""
    app = create_app(settings or Settings(redis_url=redis_url, model=("toy",)), tracing)
    config = uvicorn.Config(
        app, http=Protocol, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    try:
        wait_for(lambda: server.started, "the gateway")
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.join()
        listener.close()
