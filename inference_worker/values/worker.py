"""The RQ worker of the values: registered with RQ like any other, with one script for claim, store and finish.

It shares with the inference worker what makes that one safe (claim only what is still queued, settle only once, a
reaper for what falls out) and needs less of it: with nothing between claim and finish, there is no lease to lose.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NoReturn

from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus
from rq.worker_registration import clean_worker_registry

from inference_worker.job import BatchJob, JobRefused
from inference_worker.outage import Outage
from inference_worker.stopping import StopFlag
from inference_worker.values.creating import FUNCTION, FUNCTIONS, attempt
from tenfold.store.connection import BLOCK_S, BytesRedis
from tenfold.store.values_worker_store import ValuesWorkerStore
from tenfold.store.worker_store import RQ_WORKER_TTL_S

log = logging.getLogger("tenfold.values")

SETTLED_AT_ONCE = 50
"""Values that one step settles at most: about a millisecond of Redis' time."""


class ValuesWorker(BaseWorker):
    """Runs value jobs until it is told to stop. ``pulse`` is called from the beat's thread."""

    job_class = BatchJob

    def __init__(self, store: ValuesWorkerStore, stop: StopFlag) -> None:
        super().__init__(
            [store.keys.values_queue_name],
            name=store.worker,
            connection=store.client,
            serializer=JSONSerializer,
            worker_ttl=RQ_WORKER_TTL_S,
        )
        self._store = store
        self._stop = stop
        self._outage = Outage(stop)
        self._create = FUNCTIONS[FUNCTION]
        self._joined_ms = store.now_ms()

    def serve(self) -> None:
        """Settle values as they come, until the stop flag is set; none is ever held across a step."""
        while not self._stop:
            try:
                if self.settle() < SETTLED_AT_ONCE:
                    self._store.wait(BLOCK_S)
            except RedisError as error:
                self._outage.noticed(error)
            else:
                self._outage.over()

    def settle(self) -> int:
        """Make values and store them for as many jobs as wait, up to :data:`SETTLED_AT_ONCE`; how many there were."""
        return self._store.settle([attempt(self._create) for _ in range(SETTLED_AT_ONCE)], self._joined_ms)

    def pulse(self, _held: Sequence[str]) -> None:
        """Tell Redis that this worker lives; register it where RQ does not know it."""
        if not self.connection.exists(self.key):
            self._register()
        self._store.beat(self._joined_ms)

    def leave(self) -> None:
        """Say goodbye. The beat must have stopped: it would register the worker again."""
        self._store.leave()
        self.register_death()  # type: ignore[no-untyped-call]

    def execute_job(self, job: Job, queue: Queue) -> NoReturn:
        """Refuse: values are settled by the script alone."""
        raise JobRefused(f"{self.name} runs no job by name, and {job.id} of {queue.name} names one")

    def _register(self) -> None:
        queue = self.queues[0]
        # RQ's tools list the queue from now on, empty as it is; and forget workers of it that were killed.
        self.connection.sadd(Queue.redis_queues_keys, queue.key)
        clean_worker_registry(queue)
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.IDLE)

    def _set_connection(self, connection: BytesRedis) -> BytesRedis:
        # RQ would raise the socket timeout to what its own blocking reads need; ours block for a second.
        return connection
