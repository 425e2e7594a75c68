"""Values that are due, put into their RQ queue at that moment: RQ's own scheduler ticks once a second, too coarsely."""

from __future__ import annotations

import logging

from rq import Queue
from rq.queue import EnqueueData
from rq.serializers import JSONSerializer

from tenfold.contract.errors import LeadershipLost
from tenfold.store.values_scheduler_store import ValuesSchedulerStore

log = logging.getLogger("tenfold.scheduler")

VALUE_FUNCTION = "inference_worker.values.store"
"""What RQ's tools show as the job's function. The worker knows it by its queue and never imports it."""

MOVED_AT_ONCE = 50
"""Values that one step moves: RQ takes some 0.15 ms for each, and images must not wait long for the same loop."""

VALUE_TIMEOUT_S = 10
RESULT_TTL_S = 0


class DueValues:
    """Moves what is due and knows when to look again, so that the loop asks Redis only when something can be due.

    Args:
        run_ttl_s: how long RQ's tools show a value that failed; its run is kept as long.
        lost_after_ms: a values worker that has not beaten for so long is gone.
    """

    def __init__(self, store: ValuesSchedulerStore, run_ttl_s: int, lost_after_ms: float) -> None:
        self._store = store
        self._run_ttl_s = run_ttl_s
        self._lost_after_ms = lost_after_ms
        self._queue = Queue(store.keys.values_queue_name, connection=store.client, serializer=JSONSerializer)
        self._next_ms: float | None = 0.0

    def wake(self) -> None:
        """Something may be due earlier than was known: look at the next step."""
        self._next_ms = 0.0

    def next_due_ms(self) -> float | None:
        """When the next value is due, as far as is known; None where none waits."""
        return self._next_ms

    def move(self, token: str, now_ms: float) -> None:
        """Enqueue up to :data:`MOVED_AT_ONCE` values that are due.

        Raises:
            LeadershipLost: another scheduler leads; the worker drops RQ jobs that no value waits for.
        """
        if self._next_ms is None or self._next_ms > now_ms:
            return
        ids, self._next_ms = self._store.due(now_ms, MOVED_AT_ONCE)
        if not ids:
            return
        pipe = self._store.client.pipeline(transaction=True)
        self._store.move(pipe, token, ids)
        self._queue.enqueue_many([self._job(value_id) for value_id in ids], pipeline=pipe)
        if pipe.execute()[0] == 0:
            self.wake()
            raise LeadershipLost("values were refused: another scheduler leads")

    def sweep(self, token: str, now_ms: float) -> None:
        """Once a second: hold what RQ carries against RQ, forget workers that are gone, and look whether all is known.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        changed = self._store.reap(token)
        if changed:
            log.warning("%d values had fallen out of their queue or were taken from it", changed)
        for name in self._store.forget_workers(now_ms - self._lost_after_ms):
            log.warning("values worker %s has not been heard of: it counts as gone", name)
        self.wake()

    def _job(self, value_id: str) -> EnqueueData:
        run_id, _, index = value_id.rpartition("-")
        return Queue.prepare_data(
            VALUE_FUNCTION,
            (run_id, int(index)),
            timeout=VALUE_TIMEOUT_S,
            result_ttl=RESULT_TTL_S,
            failure_ttl=self._run_ttl_s,
            description=f"value {index} of run {run_id}",
            job_id=value_id,
        )
