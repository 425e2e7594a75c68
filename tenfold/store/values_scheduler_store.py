"""What the scheduler does with values: see what is due, move it, hold what RQ carries against RQ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from tenfold.contract.errors import LeadershipLost
from tenfold.store.connection import BytesRedis
from tenfold.store.keys import RQ_CANCELED_PREFIX, RQ_FAILED_PREFIX, RQ_JOB_PREFIX, Keys, rq_queue
from tenfold.store.scripts import call, queue_call

REAPED_AT_ONCE = 100
"""Values that one round looks at; the oldest first."""

STRANGER_MS = 60_000
"""How long after its moment a value's RQ job may be in the hands of a worker that is not ours."""


@dataclass(frozen=True, slots=True)
class ValuesSchedulerStore:
    """The scheduler's side of the values.

    Attributes:
        injected_now_ms: a test's clock instead of Redis' own.
    """

    client: BytesRedis
    keys: Keys
    injected_now_ms: int | None = None

    def due(self, now_ms: float, limit: int) -> tuple[list[str], float | None]:
        """The ids of up to ``limit`` values that are due, earliest first, and when the next one after these is."""
        pipe = self.client.pipeline(transaction=False)
        pipe.zrangebyscore(self.keys.values_due, "-inf", now_ms, start=0, num=limit)
        pipe.zrange(self.keys.values_due, 0, limit, withscores=True)
        ids, first = pipe.execute()
        next_ms = first[len(ids)][1] if len(first) > len(ids) else None
        return [value_id.decode() for value_id in ids], next_ms

    def move(self, pipeline: object, token: str, ids: Sequence[str]) -> None:
        """Add to a MULTI that RQ carries these values now; RQ's enqueue follows in the same one. Gives 0 to a scheduler
        that leads no longer.
        """
        k = self.keys
        queue_call(pipeline, "values_move", [k.leader, k.values_due, k.values_queued, k.values_doorbell], [token, *ids])

    def reap(self, token: str) -> int:
        """Put back what fell out of RQ's queue and fail, by name, what somebody else took or deleted; how many.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        k = self.keys
        queue = k.values_queue_name
        keys = [
            k.leader,
            k.values_queued,
            rq_queue(queue),
            k.values_doorbell,
            k.run_prefix,
            RQ_JOB_PREFIX,
            RQ_FAILED_PREFIX + queue,
            RQ_CANCELED_PREFIX + queue,
        ]
        now = "" if self.injected_now_ms is None else self.injected_now_ms
        try:
            return int(call(self.client, "values_reap", keys, [now, token, REAPED_AT_ONCE, STRANGER_MS]))
        except ResponseError as error:
            if "LEADERSHIP" in str(error):
                raise LeadershipLost("another scheduler leads now") from error
            raise

    def forget_workers(self, beaten_before_ms: float) -> list[str]:
        """Drop the records of values workers whose beat stopped; their names."""
        gone = self.client.zrangebyscore(self.keys.values_beats, "-inf", beaten_before_ms)
        if gone:
            pipe = self.client.pipeline()
            pipe.hdel(self.keys.values_workers, *gone)
            pipe.zrem(self.keys.values_beats, *gone)
            pipe.execute()
        return [name.decode() for name in gone]
