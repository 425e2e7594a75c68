"""One Redis with the gateway's, the scheduler's and the worker's side of the values, and moments that tests choose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from inference_worker.values.creating import attempt, create
from scheduler.values import DueValues
from tenfold.store.connection import connect, connect_async
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.values_run import RunView
from tenfold.store.values_scheduler_store import ValuesSchedulerStore
from tenfold.store.values_store import ValuesStore
from tenfold.store.values_worker_store import Outcome, ValuesWorkerStore

RUN_TTL_S = 2


@dataclass
class ValuesWorld:
    url: str
    stored_bytes_max: int = 2**28
    waiting_max: int = 1000

    def __post_init__(self) -> None:
        self.client = connect(self.url)
        self.keys = Keys()
        self.leader = SchedulerStore(self.client, self.keys, 0)
        self.token = self.leader.lead("") or ""
        # As in `store_world`: the machine's speed must not end a leadership.
        self.client.persist(self.keys.leader)
        self.scheduler = ValuesSchedulerStore(self.client, self.keys)
        self.due = DueValues(self.scheduler, RUN_TTL_S, lost_after_ms=15_000)
        self.queue = Queue(self.keys.values_queue_name, connection=self.client, serializer=JSONSerializer)

    def close(self) -> None:
        self.client.close()

    def now_ms(self) -> float:
        seconds, micros = self.client.time()
        return float(seconds * 1000 + micros / 1000)

    def ask(self, verb: str, *args: Any) -> Any:
        """Call an asynchronous verb of the gateway's side."""

        async def run() -> Any:
            async with connect_async(self.url) as client:
                store = ValuesStore(client, self.keys, self.stored_bytes_max, self.waiting_max, RUN_TTL_S)
                return await getattr(store, verb)(*args)

        return asyncio.run(run())

    def generate(self, run_id: str, due_ms: Sequence[float], window_ms: float = 10_000.0) -> float:
        return float(self.ask("generate", run_id, "c", window_ms, due_ms))

    def run(self, run_id: str) -> RunView:
        view = self.ask("run", run_id)
        assert isinstance(view, RunView)
        return view

    def move(self, until_ms: float) -> None:
        """Move all that is due until then."""
        self.due.wake()
        while (self.due.next_due_ms() or float("inf")) <= until_ms or self.due.next_due_ms() == 0:
            self.due.move(self.token, until_ms)

    def worker(self, name: str = "v1", now_ms: float | None = None) -> ValuesWorkerStore:
        now = None if now_ms is None else int(now_ms)
        return ValuesWorkerStore(self.client, self.keys, name, self.stored_bytes_max, 15_000, now)

    def settle(self, count: int = 50, *, now_ms: float | None = None, joined_ms: float = 0.0, name: str = "v1") -> int:
        return self.worker(name, now_ms).settle([attempt(create) for _ in range(count)], joined_ms)

    def settle_all(self, *, now_ms: float | None = None) -> int:
        settled = 0
        while found := self.settle(now_ms=now_ms):
            settled += found
        return settled

    def reap(self, now_ms: float | None = None) -> int:
        now = None if now_ms is None else int(now_ms)
        return replace(self.scheduler, injected_now_ms=now).reap(self.token)

    def rq_job(self, value_id: str) -> Job:
        return Job.fetch(value_id, connection=self.client, serializer=JSONSerializer)

    def all_keys(self) -> set[str]:
        return {key.decode() for key in self.client.keys("*")}


def failed(reason: str) -> Outcome:
    return Outcome("failed", "value_failed", reason)
