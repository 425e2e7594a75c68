"""What lies between two batches: the commit of one and the claim of the next.

They are one round trip. Where batches are short, it would cost a good part of their time; so the worker then has the
next one in hand before it needs it, and commit, claim and compute go on at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from redis.exceptions import RedisError

from inference_worker.ahead import Coming
from inference_worker.beat import Held
from inference_worker.outage import Outage
from inference_worker.runner import CLAIMED_IMAGE_BYTES, Outcome
from inference_worker.stopping import StopFlag
from inference_worker.telling import Tale
from tenfold.contract.errors import BadMessage
from tenfold.contract.events import BatchEnded, EndReason
from tenfold.logs import about
from tenfold.store.connection import BLOCK_S
from tenfold.store.worker_store import Claim, Ended, Turn, WorkerStore

log = logging.getLogger("tenfold.worker")


@dataclass(slots=True)
class _Ran:
    """A batch that ran and is not known to be committed."""

    outcome: Outcome
    tale: Tale
    ended_s: float = 0.0

    def sent(self) -> None:
        """Its commit is on its way: what is between then and its answer belongs to the next batch."""
        self.ended_s = time.perf_counter()

    @property
    def batch_id(self) -> str:
        return self.outcome.event.batch_id

    @property
    def jobs(self) -> list[str]:
        return sorted({job_id for job_id, _ in self.outcome.results})

    @property
    def ended(self) -> Ended:
        return self.outcome.event, self.outcome.results, self.outcome.took_s


class Turns:
    """Takes batches and gives them up, at most one in hand beside the one that computes.

    For each batch: :meth:`begin`, compute, :meth:`following`, :meth:`end`. All of it belongs to the main thread, except
    what ``begin`` returns.

    Args:
        batch_size: how many images a claim marks as computing.
        lost: is told of each batch whose lease was lost, and whether the worker is idle then.
    """

    def __init__(
        self, store: WorkerStore, held: Held, stop: StopFlag, batch_size: int, lost: Callable[[str, bool], None]
    ) -> None:
        self.outage = Outage(stop)
        self._store = store
        self._held = held
        self._stop = stop
        self._batch_size = batch_size
        self._lost = lost
        self._lease_s = store.lease_ms / 1000
        self._before: _Ran | None = None
        self._turn: Turn | None = None
        # Whether nothing waited at the last look.
        self._empty = False

    def first(self, image_bytes: int) -> Claim | None:
        """A batch while none is in hand, or None where none waits; after that it waits a second for one."""
        empty, self._empty = self._empty, False
        try:
            if empty:
                self._store.wait(BLOCK_S)
            claim = self._store.claim(computing=self._batch_size, image_bytes=image_bytes)
        except BadMessage as error:
            _unreadable(error)
            return None
        except RedisError as error:
            self.outage.noticed(error)
            return None
        self.outage.over()
        self._empty = claim is None
        return self._hold(claim)

    def begin(self, claim: Claim, *, short: bool) -> Coming | None:
        """``claim`` computes next: commit the batch before it, and claim the one behind it if this one is ``short``.

        Only what is at least as urgent is claimed so early, and nothing beside an image that may kill its worker.

        Returns:
            What gives the batch that was claimed, once the server has answered; None where none was claimed.
        """
        # Where nothing waited when the batch before ended, most probably nothing waits now.
        claims = short and claim.in_turn and not claim.marked and not self._stop
        before = self._before
        if before is None and not claim.in_hand and not claims:
            return None
        turn = self._store.turn(
            None if before is None else before.ended,
            claim if claim.in_hand else None,
            computing=self._batch_size,
            places=claim.place + 1 if claims else 0,
            image_bytes=CLAIMED_IMAGE_BYTES,
            in_hand=True,
        )
        self._turn = turn
        if before is not None:
            before.sent()
            self._held.remove(before.batch_id)
        if claims and turn.sent:
            return turn.claim
        self._settle()
        if before is None or turn.sent:
            return None
        # It has waited for Redis, and what begins is still to be told.
        return self.begin(claim, short=short)

    def following(self) -> Claim | None:
        """The batch that came in hand while this one computed. Whether the one before was committed is known then."""
        claim = self._claimed()
        self._settle()
        return claim

    def end(self, outcome: Outcome, tale: Tale, following: Claim | None, image_bytes: int) -> Claim | None:
        """A batch ran. Returns the one to run next: ``following``, or one that is claimed with the commit."""
        ran = _Ran(outcome, tale)
        if following is not None:
            self._before = ran
            return following
        if self._stop:
            self._tell(ran, self._commit(ran), idle=True)
            return None
        self._before = ran
        self._turn = self._store.turn(
            ran.ended,
            None,
            computing=self._batch_size,
            places=len(self._store.queues),
            image_bytes=image_bytes,
            in_hand=False,
        )
        claim = self._claimed()
        self._settle(idle=claim is None)
        self._held.remove(ran.batch_id)
        self._empty = claim is None
        return claim

    def abandon(self) -> None:
        """This batch failed in a way that ends the process: settle the one before, hand back the one in hand."""
        claim = self.following()
        if claim is None:
            return
        event = BatchEnded(claim.batch.id, self._store.worker, EndReason.STOPPED, claim.positions)
        try:
            self._store.commit(event, [], 0.0)
        except RedisError as error:
            log.warning("batch %s is left to its lease: Redis does not take it back (%s)", claim.batch.id, error)
        self._held.remove(claim.batch.id)

    def _claimed(self) -> Claim | None:
        try:
            claim = None if self._turn is None else self._turn.claim()
        except BadMessage as error:
            _unreadable(error)
            return None
        return self._hold(claim)

    def _settle(self, *, idle: bool = False) -> None:
        """Wait for the answers that are still to come; see that the batch before is committed, or that it cannot be."""
        before, turn = self._before, self._turn
        self._before = self._turn = None
        if turn is None:
            return
        with about(batch=before.batch_id, jobs=before.jobs) if before is not None else nullcontext():
            try:
                committed = turn.committed()
            except RedisError as error:
                log.warning("no answer to the commit of a batch (%s): trying on", error)
                committed = before is not None and self._commit(before)
            if before is not None:
                self._tell(before, committed, idle=idle)

    def _commit(self, ran: _Ran) -> bool:
        """While Redis is away there is nothing better to do than to wait for it, and the fence then decides."""
        self._held.add(ran.batch_id)
        try:
            return self.outage.retry(lambda: self._store.commit(*ran.ended), self._lease_s)
        except RedisError as error:
            log.error("batch %s is left to its lease: Redis refuses its results (%s)", ran.batch_id, error)
            return False
        finally:
            self._held.remove(ran.batch_id)

    def _hold(self, claim: Claim | None) -> Claim | None:
        """Its lease is renewed from now on."""
        if claim is not None:
            self._held.add(claim.batch.id)
        return claim

    def _tell(self, ran: _Ran, committed: bool, *, idle: bool) -> None:
        ran.tale.over(ran.ended_s or time.perf_counter(), committed=committed)
        if not committed:
            self._lost(ran.batch_id, idle)


def _unreadable(error: BadMessage) -> None:
    log.error("a batch cannot be read and is left to its lease: %s", error)
