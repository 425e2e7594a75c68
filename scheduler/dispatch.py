"""Batches as RQ jobs: what the core decided, put into the queue of its lane and level."""

from __future__ import annotations

from collections.abc import Sequence

from rq import Queue
from rq.serializers import JSONSerializer

from tenfold.contract.errors import LeadershipLost
from tenfold.contract.records import BatchRecord
from tenfold.store.scheduler_store import SchedulerStore

BATCH_FUNCTION = "inference_worker.batch.run"
"""What RQ's tools show as the job's function. The worker looks it up in a table of its own and never imports it."""

RESULT_TTL_S = 60
FAILURE_TTL_S = 3600


class Dispatcher:
    """Puts batches into RQ queues, each together with its record in one transaction."""

    def __init__(self, store: SchedulerStore, batch_timeout_s: float) -> None:
        self._store = store
        self._timeout_s = int(batch_timeout_s)
        self._queues: dict[str, Queue] = {}

    def dispatch(self, token: str, batches: Sequence[BatchRecord]) -> None:
        """Enqueue ``batches`` in their order.

        Raises:
            LeadershipLost: another scheduler leads; the claim drops RQ jobs that have no record.
        """
        pipe = self._store.client.pipeline(transaction=True)
        places = []
        for batch in batches:
            places.append(len(pipe.command_stack))
            self._store.record(pipe, token, batch)
            self._enqueue(pipe, batch)
        replies = pipe.execute()
        if any(replies[place] == 0 for place in places):
            raise LeadershipLost("a batch was refused: another scheduler leads")

    def _enqueue(self, pipe: object, batch: BatchRecord) -> None:
        queue = self._queue(self._store.keys.queue_name(batch.lane, batch.level))
        data = Queue.prepare_data(
            BATCH_FUNCTION,
            (batch.id,),
            timeout=self._timeout_s,
            result_ttl=RESULT_TTL_S,
            failure_ttl=FAILURE_TTL_S,
            description=f"{len(batch.items)} images of {len(batch.jobs)} jobs, {batch.lane}",
            job_id=batch.id,
        )
        queue.enqueue_many([data], pipeline=pipe)  # type: ignore[arg-type]  # the client's type is left open

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name, connection=self._store.client, serializer=JSONSerializer)
        return queue
