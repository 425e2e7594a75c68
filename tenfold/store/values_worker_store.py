"""What a values worker does in Redis: settle values, wait for more, beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tenfold.store.connection import BytesRedis
from tenfold.store.keys import RQ_FAILED_PREFIX, RQ_JOB_PREFIX, RQ_WORKER_PREFIX, Keys, rq_queue
from tenfold.store.scripts import Argument, call
from tenfold.store.worker_store import RQ_WORKER_TTL_S, iso_now


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the next value that waits.

    Attributes:
        kind: ``stored``: under ``key``, as ``text``; ``failed``: ``key`` is the code and ``text`` the reason.
    """

    kind: Literal["stored", "failed"]
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ValuesWorkerStore:
    """The values worker's side of the keyspace.

    Attributes:
        worker: the worker's name, the same for RQ.
        stored_bytes_max: bytes of all values with their keys.
        lease_ms: how long the worker counts as living without a beat.
        injected_now_ms: a test's clock instead of Redis' own.
    """

    client: BytesRedis
    keys: Keys
    worker: str
    stored_bytes_max: int
    lease_ms: int
    injected_now_ms: int | None = None

    def settle(self, outcomes: Sequence[Outcome], joined_ms: float) -> int:
        """Claim, store and finish the values that wait, one an outcome, in one step; how many there were.

        Args:
            joined_ms: since when this worker lives, on Redis' clock.
        """
        k = self.keys
        queue = k.values_queue_name
        keys = [
            rq_queue(queue),
            k.values_queued,
            k.values,
            k.totals,
            k.values_doorbell,
            k.run_prefix,
            k.value_prefix,
            RQ_JOB_PREFIX,
            RQ_FAILED_PREFIX + queue,
            RQ_WORKER_PREFIX + self.worker,
            k.values_workers,
            k.values_beats,
        ]
        args: list[Argument] = [self._now, self.worker, joined_ms, self.stored_bytes_max]
        for outcome in outcomes:
            args += (outcome.kind, outcome.key, outcome.text)
        return int(call(self.client, "values_store", keys, args))

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a value was moved to the queue, or the time is over."""
        return self.client.blpop([self.keys.values_doorbell], timeout=timeout_s) is not None

    def now_ms(self) -> float:
        """Redis' clock."""
        seconds, micros = self.client.time()
        return float(seconds * 1000 + micros / 1000)

    def beat(self, joined_ms: float) -> None:
        """Say that this worker lives, to Tenfold and to RQ's tools."""
        k = self.keys
        # The inference worker's verb: it renews leases too, of which a values worker holds none.
        keys = [k.values_beats, k.leases, k.claims, RQ_WORKER_PREFIX + self.worker, k.values_workers]
        call(self.client, "beat", keys, [self._now, self.worker, self.lease_ms, iso_now(), RQ_WORKER_TTL_S, joined_ms])

    def leave(self) -> None:
        """Say goodbye."""
        pipe = self.client.pipeline()
        pipe.hdel(self.keys.values_workers, self.worker)
        pipe.zrem(self.keys.values_beats, self.worker)
        pipe.execute()

    @property
    def _now(self) -> str:
        return "" if self.injected_now_ms is None else str(self.injected_now_ms)
