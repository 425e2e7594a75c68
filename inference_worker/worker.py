"""The RQ worker: registered with RQ like any other, with a loop of its own that claims, runs and commits batches.

RQ's own loop is not used: it loses a job when the worker dies between its pop and its registration, and needs some
eighteen round trips a job. Here a batch needs one where others wait: its commit and the next one's claim, which
registers that with RQ. Nothing is ever forked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import msgspec
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus
from rq.worker_registration import clean_worker_registry

from inference_worker.ahead import Coming
from inference_worker.beat import Held
from inference_worker.job import BatchJob, JobRefused
from inference_worker.runner import BatchRunner, Outcome
from inference_worker.stopping import StopFlag
from inference_worker.telling import UNTRACED, Telling
from inference_worker.turns import Turns
from tenfold.contract.records import ModelInfo, ServedModel, WorkerInfo
from tenfold.logs import about
from tenfold.store.connection import BytesRedis
from tenfold.store.worker_store import RQ_WORKER_TTL_S, Claim, WorkerStore

log = logging.getLogger("tenfold.worker")


class InferenceWorker(BaseWorker):
    """A worker of one pool. ``serve`` runs until it is told to stop; ``pulse`` is called from the beat's thread.

    Args:
        store: its side of the keyspace; the queues that it names are those that RQ's tools show for this worker.
        info: what it announces of itself.
        models: what it announces of its models.
        batch_size: how many images a claim marks as computing.
        telling: is told of each batch.
    """

    job_class = BatchJob
    redis_offset_ms = 0.0

    def __init__(
        self,
        store: WorkerStore,
        info: WorkerInfo,
        models: Sequence[ModelInfo],
        batch_size: int,
        stop: StopFlag,
        telling: Telling = UNTRACED,
    ) -> None:
        names = [name for level in store.queues for name in level]
        super().__init__(
            names, name=info.name, connection=store.client, serializer=JSONSerializer, worker_ttl=RQ_WORKER_TTL_S
        )
        self.held = Held()
        self._store = store
        self._info = info
        self._models = models
        self._stop = stop
        self._telling = telling
        self._turns = Turns(store, self.held, stop, batch_size, self._lost)
        self._outage = self._turns.outage
        self._lease_s = store.lease_ms / 1000

    def serve(self, runner: BatchRunner, between: Callable[[], None] = lambda: None) -> None:
        """Claim, run and commit batches until the stop flag is set; what is held then is committed or handed back.

        Args:
            between: called before each batch, and about once a second while there is none.
        """
        claim: Claim | None = None
        while claim is not None or not self._stop:
            between()
            claim = self._turns.first(runner.image_bytes) if claim is None else self._run(claim, runner)

    def pulse(self, batches: Sequence[str]) -> None:
        """Tell Redis that this worker lives and holds ``batches``; announce it where Redis does not know it."""
        if not self._is_known():
            self._announce()
        if not self._store.beat(self._info, batches):
            told = {"batches": list(batches)}
            log.warning("a lease was lost while its batch ran: its results will be dropped", extra=told)

    def rejoin(self, models: Sequence[ModelInfo]) -> None:
        """Announce that it holds other versions of its models now. Called from any thread; Redis errors are raised."""
        self._models = models
        self._info = msgspec.structs.replace(self._info, models=[ServedModel(one.name, one.version) for one in models])
        self._store.join(self._info, models)

    def leave(self) -> None:
        """Say goodbye, to the scheduler and to RQ. The beat must have stopped: it would announce the worker again."""
        self._store.leave()
        self.register_death()  # type: ignore[no-untyped-call]

    def blobs(self, items: Iterable[tuple[str, int]]) -> Sequence[bytes | None]:
        """The encoded images of ``items``; waits while Redis is away."""
        wanted = list(items)
        return self._outage.retry(lambda: self._store.blobs(wanted), self._lease_s)

    def execute_job(self, job: Job, queue: Queue) -> NoReturn:
        """Refuse: batches are run by claim alone."""
        raise JobRefused(f"{self.name} runs no job by name, and {job.id} of {queue.name} names one")

    def _set_connection(self, connection: BytesRedis) -> BytesRedis:
        # RQ would raise the socket timeout to what its own blocking reads need; ours block for a second.
        return connection

    def _run(self, claim: Claim, runner: BatchRunner) -> Claim | None:
        """Run a batch; the next one, where it is in hand already or came along with this one's commit."""
        jobs = sorted({job_id for job_id, _ in claim.batch.items})
        with about(batch=claim.batch.id, jobs=jobs), self._telling.batch(claim) as tale:
            outcome = None
            try:
                coming = self._turns.begin(claim, short=runner.is_short(claim))
                outcome = self._compute(claim, runner, coming)
            except Exception:
                self._turns.abandon()
                raise
            finally:
                if outcome is None:
                    self.held.remove(claim.batch.id)
                    tale.over(time.perf_counter(), committed=False)
            following = self._turns.following()
            if outcome is None:
                self._lost(claim.batch.id, following is None)
                return following
            tale.ran(outcome)
            _tell(outcome)
            return self._turns.end(outcome, tale, following, runner.image_bytes)

    def _compute(self, claim: Claim, runner: BatchRunner, coming: Coming | None) -> Outcome | None:
        try:
            with self.held.computing():
                return runner.run(
                    claim, lambda start, stop: self._advance(claim, start, stop), self.redis_now_ms(), coming
                )
        except RedisError as error:
            log.error("batch %s is left to its lease: Redis refuses what it takes (%s)", claim.batch.id, error)
            return None

    def _advance(self, claim: Claim, start: int, stop: int) -> str:
        try:
            return self._store.advance(claim, start, stop)
        except RedisError as error:
            # Computing needs no Redis. Whether the batch is still this worker's, the commit will say.
            log.warning("Redis does not answer between two pieces (%s): going on", error)
            return "go"

    def _lost(self, batch_id: str, idle: bool) -> None:
        log.warning("batch %s: the lease was lost, so what was computed is dropped; others run it", batch_id)
        if not idle:
            return
        try:
            self.set_state(WorkerStatus.IDLE)
            self.set_current_job_id(None)
        except RedisError as error:
            self._outage.noticed(error)

    def redis_now_ms(self) -> float:
        """The time on Redis' clock, as far as the last beat knew it."""
        return time.time() * 1000 + self.redis_offset_ms

    def _is_known(self) -> bool:
        pipe = self.connection.pipeline(transaction=False)
        pipe.exists(self.key)
        pipe.hexists(self._store.keys.workers, self.name)
        pipe.time()
        registered, joined, (seconds, micros) = pipe.execute()
        self.redis_offset_ms = seconds * 1000 + micros / 1000 - time.time() * 1000
        return bool(registered and joined)

    def _announce(self) -> None:
        for queue in self.queues:
            # RQ's tools list the queue from now on, empty as it is; and forget workers of it that were killed.
            self.connection.sadd(Queue.redis_queues_keys, queue.key)
            clean_worker_registry(queue)
        if not self.connection.exists(self.key):
            self.register_birth()  # type: ignore[no-untyped-call]
            self.set_state(WorkerStatus.BUSY if self.held.batches() else WorkerStatus.IDLE)
        self._store.join(self._info, self._models)


def _tell(outcome: Outcome) -> None:
    event = outcome.event
    log.debug(
        "batch %s: %d done, %d left, %s, %.1f ms, pieces %s",
        event.batch_id,
        len(outcome.results),
        len(event.left),
        event.reason,
        outcome.took_s * 1000,
        event.pieces,
    )
