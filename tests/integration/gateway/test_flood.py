"""A flood of uploads into a queue that is bounded: the gateway's memory stays flat."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tenfold.contract.records import Submission
from tenfold.store.worker_store import WorkerStore
from tests.integration.gateway.gateway_process import gateway, resident_bytes
from tests.integration.gateway.gateway_world import KEYS, BlindBackend, image

GROWN_BYTES_MAX = 64 * 2**20
QUEUED_BYTES_MAX = 96 * 2**20
SENDERS = 8
IMAGES = 3


class Draining(BlindBackend):
    """Takes what is queued without a look at it and keeps no image, so that the flood itself can pass."""

    def __post_init__(self) -> None:
        super().__post_init__()
        queues = [list(level) for level in self.worker.queues]
        self.worker = WorkerStore(self.client, KEYS, "w1", queues, 15_000, 0)
        self.drains = True

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.drains = False

    def _serve(self, job: Submission, added: Sequence[int], rejected: Sequence[int]) -> None:
        # The lease on leading runs out where the machine is slow, and nobody else leads here.
        self.token = self.scheduler.lead(self.token) or self.token
        super()._serve(job, added, rejected)


@pytest.fixture
def draining(redis_url: str) -> Iterator[Draining]:
    with Draining(redis_url).playing() as backend:
        yield backend


@pytest.mark.parametrize(
    "total_bytes",
    [pytest.param(256 * 2**20), pytest.param(2 * 2**30, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_memory_stays_flat_under_a_flood(draining: Draining, redis_url: str, total_bytes: int) -> None:
    """Whatever arrives from eight senders at once, accepted or refused, the process grows by 64 MiB at most."""
    picture = image((1700, 1700), "BMP")
    files = [("files", (f"{index}.bmp", picture)) for index in range(IMAGES)]
    left = total_bytes // (len(picture) * IMAGES)
    outcomes: Counter[int] = Counter()
    lock = threading.Lock()
    largest = 0

    with gateway("--redis-url", redis_url, "--model", "toy", TENFOLD_QUEUED_BYTES_MAX=str(QUEUED_BYTES_MAX)) as (
        process,
        url,
    ):

        def send() -> None:
            nonlocal left, largest
            with httpx.Client(base_url=url, timeout=60) as http:
                while True:
                    with lock:
                        if left <= 0:
                            return
                    assert draining.drains, "nobody drains the queue any more"
                    try:
                        status = http.post("/v1/jobs", files=files).status_code
                    except httpx.TransportError:
                        status = 0  # refused before its body was read, and the line closed while it was sent
                    with lock:
                        outcomes[status] += 1
                        left -= status == 202
                        largest = max(largest, resident_bytes(process.pid))

        httpx.post(f"{url}/v1/jobs", files=files, timeout=60)
        before = resident_bytes(process.pid)
        with ThreadPoolExecutor(SENDERS) as pool:
            for sending in [pool.submit(send) for _ in range(SENDERS)]:
                sending.result()
        grown = largest - before
    print(f"{total_bytes >> 20} MiB accepted, {dict(outcomes)}, grown by {grown / 2**20:.1f} MiB")
    assert set(outcomes) <= {0, 202, 429, 503}, outcomes
    assert outcomes[429] + outcomes[503] > 0, "the flood never met the bound"
    assert grown < GROWN_BYTES_MAX
