"""Batches as RQ jobs: what the core decided, put into the queue of its lane and level."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from rq import Queue
from rq.serializers import JSONSerializer

from tenfold.contract.records import BatchRecord
from tenfold.logs import about
from tenfold.store.scheduler_store import Placed, SchedulerStore, Traces
from tenfold.store.scripts import Argument

BATCH_FUNCTION = "inference_worker.batch.run"
"""What RQ's tools show as the job's function. No worker looks at it: a batch is claimed by its id."""

RESULT_TTL_S = 60
FAILURE_TTL_S = 3600


class Dispatcher:
    """Puts batches into RQ queues. RQ says by which commands; the store carries them out in one step."""

    def __init__(self, store: SchedulerStore, batch_timeout_s: float) -> None:
        self._store = store
        self._timeout_s = int(batch_timeout_s)
        self._queues: dict[str, Queue] = {}

    def dispatch(self, token: str, batches: Sequence[BatchRecord], traces: Traces = MappingProxyType({})) -> None:
        """Enqueue ``batches`` in their order, and append ``traces``.

        Raises:
            LeadershipLost: another scheduler leads; nothing was changed.
        """
        self._store.dispatch(token, [Placed(batch, self._enqueueing(batch)) for batch in batches], traces)

    def _enqueueing(self, batch: BatchRecord) -> Sequence[Sequence[Argument]]:
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
        # Written into a pipeline that is never sent.
        noted = self._store.client.pipeline()
        with about(batch=batch.id):
            queue.enqueue_many([data], pipeline=noted)
        return [words for words, _ in noted.command_stack]

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name, connection=self._store.client, serializer=JSONSerializer)
        return queue
