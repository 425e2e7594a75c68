"""What happens to batches: workers claim, end and lose them."""

from __future__ import annotations

from scheduler.core.aging import patience_ms
from scheduler.core.decisions import Detail, TraceKind
from scheduler.core.events import BatchClaimed, BatchEnded, BatchLost
from scheduler.core.jobs import Batch, Job, Share
from scheduler.core.meter import meter_of
from scheduler.core.pool import Pool
from scheduler.core.state import State

NOTHING: frozenset[int] = frozenset()


class BatchEvents:
    """Takes in what workers, and the reaper of the dead ones, did with batches."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def claimed(self, event: BatchClaimed) -> None:
        """A worker took a batch: its jobs have started, and what had aged goes home."""
        state = self._state
        batch = state.batches.get(event.batch_id)
        if batch is None or batch.claimed_by:
            return
        self.claim(batch, event.worker, frozenset(event.dropped) if event.dropped else NOTHING)
        now_ms = state.now_ms
        for share in batch.shares:
            job = share.job
            if batch.dropped and batch.dropped.issuperset(range(share.start, share.start + len(share.indexes))):
                continue
            job.wait_since_ms = now_ms
            job.turn_ms = 0.0
            if job.check_ms > now_ms + state.config.boost_after_ms and job.unstarted and not job.urgent:
                state.aging.look_at(job, now_ms + patience_ms(state.pools[batch.pool], job))
            if job.started_ms < 0.0:
                job.started_ms = now_ms
            if job.aged and job.queue is not None:
                state.batching.go_home(state.pools[job.pool], job)

    def claim(self, batch: Batch, worker: str, dropped: frozenset[int]) -> None:
        """``worker`` holds ``batch`` from now on; the positions ``dropped`` are of jobs that ended before."""
        state = self._state
        pool = state.pool(batch.pool)
        pool.unqueue(batch)
        pool.credits.takes(worker, batch.id, batch.lane, batch.level)
        batch.claimed_by = worker
        batch.claimed_ms = batch.begun_ms = state.now_ms
        if dropped:
            batch.dropped = dropped
            for share in batch.shares:
                gone = sum(share.start + offset in dropped for offset in range(len(share.indexes)))
                pool.charge(share.job.client, -share.item_ms * gone)
                state.settle_items(share.job, gone)

    def ended(self, event: BatchEnded) -> None:
        """A worker is done with a batch: what it measured is learned, what it left over waits again."""
        state = self._state
        batch = self._forget_batch(event.batch_id)
        if batch is None:
            return
        pool = state.pools[batch.pool]
        pieces = event.pieces
        item_ms = -1.0
        if pieces:
            pool.learn(batch.lane, event.worker, pieces)
            images = sum([piece[0] for piece in pieces])
            if images:
                spent_ms = sum([piece[1] for piece in pieces])
                item_ms = spent_ms / images
                pool.spent(batch, images, spent_ms, state.now_ms)
        left = frozenset(event.left) if event.left else NOTHING
        ran = self._account(pool, batch, item_ms, left)
        meter_of(pool.done, (batch.lane, batch.level)).add(ran, state.now_ms)
        if left:
            self._take_back(pool, batch, left, TraceKind.HANDED_BACK, str(event.reason))
        if pieces and len(left) < batch.size:
            self._note_last_start(batch, left, pieces[-1][1])

    def _forget_batch(self, batch_id: str) -> Batch | None:
        batch = self._state.batches.pop(batch_id, None)
        if batch is None:
            return None
        pool = self._state.pool(batch.pool)
        if batch.claimed_by:
            pool.credits.puts_down(batch.claimed_by, batch.id)
            for following in pool.credits.holdings.get(batch.claimed_by, ()):
                self._state.batches[following].begun_ms = self._state.now_ms
        else:
            pool.unqueue(batch)
        return batch

    def _account(self, pool: Pool, batch: Batch, item_ms: float, left: frozenset[int]) -> int:
        """Charge what ran at its real price, if known, and count it as done; how many items ran."""
        total = 0
        for share in batch.shares:
            ran = len(share.indexes)
            if left or batch.dropped:
                ran = sum(1 for position in _positions(share) if position not in left and position not in batch.dropped)
            if not ran:
                continue
            job = share.job
            total += ran
            if item_ms >= 0.0:
                pool.charge(job.client, (item_ms - share.item_ms) * ran)
            job.done += ran
            job.ended_ms = self._state.now_ms
            if job.outstanding > ran:
                job.outstanding -= ran
            else:
                self._state.settle_items(job, ran)
        return total

    def _note_last_start(self, batch: Batch, left: frozenset[int], piece_ms: float) -> None:
        """The last piece began that long ago: until then its job was being served."""
        for share in reversed(batch.shares):
            if any(position not in left and position not in batch.dropped for position in _positions(share)):
                share.job.wait_since_ms = max(share.job.wait_since_ms, self._state.now_ms - piece_ms)
                return

    def lost(self, event: BatchLost) -> None:
        """The worker of a batch is gone: what it had not committed waits again, suspects alone."""
        batch = self._forget_batch(event.batch_id)
        if batch is None:
            return
        pool = self._state.pools[batch.pool]
        left = frozenset(event.left)
        for share in batch.shares:
            final = sum(1 for position in _positions(share) if position not in left and position not in batch.dropped)
            self._state.settle_items(share.job, final)
        if left:
            self._single_out(pool, batch, left.intersection(event.alone))
            self._take_back(pool, batch, left.difference(event.alone), TraceKind.RETRIED, "a worker was lost")

    def _take_back(self, pool: Pool, batch: Batch, left: frozenset[int], kind: TraceKind, why: str) -> None:
        """The positions ``left`` wait again, at the head of their jobs."""
        returned: list[tuple[Share, list[int]]] = []
        for share in batch.shares:
            indexes = _indexes_at(share, left - batch.dropped)
            if indexes and share.job.outstanding:
                returned.append((share, indexes))
        pool.return_shares(returned)
        for share, indexes in returned:
            self._wait_again(share.job, kind, batch, {"items": len(indexes), "why": why})

    def _single_out(self, pool: Pool, batch: Batch, alone: frozenset[int]) -> None:
        for share in batch.shares:
            job = share.job
            indexes = _indexes_at(share, alone - batch.dropped)
            if indexes and job.outstanding:
                pool.charge(job.client, -share.item_ms * len(indexes))
                job.alone.extend(indexes)
                pool.queue_alone(job, level=0 if share.aged else pool.level_of(job))
                self._wait_again(
                    job, TraceKind.RETRIED, batch, {"items": len(indexes), "why": "runs alone from now on"}
                )

    def _wait_again(self, job: Job, kind: TraceKind, batch: Batch, detail: Detail) -> None:
        state = self._state
        state.trace(job, kind, state.pools[job.pool].level_of(job), batch.id, detail)
        if not job.urgent:
            state.aging.look_at(job, max(state.now_ms, job.wait_since_ms + state.config.boost_after_ms))
        if job.deadline_ms is not None and job.deadline_ms <= state.now_ms:
            state.expire(job)


def _positions(share: Share) -> range:
    return range(share.start, share.start + len(share.indexes))


def _indexes_at(share: Share, positions: frozenset[int]) -> list[int]:
    """The items of ``share`` that stand at these positions of the batch."""
    return [index for position, index in enumerate(share.indexes, share.start) if position in positions]
