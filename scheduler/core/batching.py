"""Forming batches: strict order of the levels, turns within them, filled from below, when there is credit."""

from __future__ import annotations

from math import inf

from scheduler.core.config import CoreConfig
from scheduler.core.decisions import Decision, Detail, DispatchBatch, PromoteBatch, Trace, TraceKind
from scheduler.core.events import BatchRestored
from scheduler.core.jobs import Batch, Client, Job, Share
from scheduler.core.pool import Pool

FULL = "full"
TICK = "its tick is over"
ALONE = "an image runs alone after it was lost with two workers"
HELD_TOLD_MAX = 10
"""Jobs of a client that are told when it is held down; the rest see it in their batches."""


class Batching:
    """Turns waiting items into batches.

    Attributes:
        batches: every batch that has not ended, by id.
        out: where decisions go; the core sets it before each event.
    """

    __slots__ = ("_config", "_pending", "_prefix", "_sequence", "batches", "now_ms", "out")

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        self._sequence = 0
        self._prefix = f"{config.epoch:06d}-"
        self._pending = 0
        self.batches: dict[str, Batch] = {}
        self.out: list[Decision] = []
        self.now_ms = 0.0

    def plan(self, pool: Pool) -> None:
        """Dispatch all that may go now."""
        pool.tick_ms = inf
        while self._next(pool):
            pass
        if pool.newly_held:
            for client in pool.newly_held:
                client.held_ms = self.now_ms
                self._tell_held(client)
            pool.newly_held.clear()

    def _next(self, pool: Pool) -> bool:
        if pool.held.members:
            pool.release_caught_up(self.now_ms)
        self._pending = 0
        for level, shelf in enumerate(pool.shelves):
            if pool.alone[level] and self._dispatch_alone(pool, level):
                return True
            for lane in shelf.lanes():
                if self._try(pool, level, lane):
                    return True
        return False

    def _try(self, pool: Pool, level: int, lane: str) -> bool:
        if not pool.credits.free(lane, level):
            return False
        shelf = pool.shelves[level]
        job = shelf.first(lane)
        if job is None:
            return False
        if job.aged and self._promote(pool, job):
            return True
        if shelf.items[lane] >= self._config.batch_size:
            reason = FULL if not self._pending or self._spares_a_worker(pool, lane) else ""
        else:
            reason = self._partial(pool, level, lane)
        if reason:
            self._form(pool, level, lane, reason)
        return bool(reason)

    # -- when a partial batch goes ------------------------------------------------------------------------------------

    def _partial(self, pool: Pool, level: int, lane: str) -> str:
        if self._pending and not self._spares_a_worker(pool, lane):
            return ""
        if self._config.dispatch == "adaptive":
            return pool.credits.taken_at_once(lane, level)
        due_ms = self._tick_due_ms(pool, level, lane)
        if self.now_ms >= due_ms:
            return TICK
        pool.tick_ms = min(pool.tick_ms, due_ms)
        self._pending += 1
        return ""

    def _tick_due_ms(self, pool: Pool, level: int, lane: str) -> float:
        quiet_ms = pool.last_arrival_ms.get((lane, level), -inf) + self._config.idle_tick_ms
        oldest_ms = min(job.oldest_ms for job in pool.standing(level, lane) if job.waiting.count)
        return min(quiet_ms, oldest_ms + self._config.tick_ms)

    def _spares_a_worker(self, pool: Pool, lane: str) -> bool:
        """Whether something less urgent leaves a worker to what waits for its tick above it."""
        last = self._config.last_level
        return not 0 < pool.credits.spare(lane, last) <= self._pending

    # -- what goes ----------------------------------------------------------------------------------------------------

    def _form(self, pool: Pool, level: int, lane: str, reason: str) -> None:
        batch = self._new(pool, lane, level)
        room = self._fill(pool, level, lane, self._config.batch_size, batch)
        if room:
            self._fill_from_below(pool, level, lane, room, batch)
        self._dispatch(pool, batch, reason)

    def _fill(self, pool: Pool, level: int, lane: str, room: int, batch: Batch) -> int:
        shelf = pool.shelves[level]
        while room > 0:
            job = shelf.first(lane)
            if job is None or not job.waiting.count:
                break
            room -= self._serve(pool, job, room, batch)
        return room

    def _fill_from_below(self, pool: Pool, level: int, lane: str, room: int, batch: Batch) -> None:
        curve = pool.lane_costs.get(lane)
        room = curve.affordable(self._config.idle_tick_ms, room) if curve else 0
        for lower in range(level + 1, self._config.levels):
            room = self._fill(pool, lower, lane, room, batch)

    def _serve(self, pool: Pool, job: Job, room: int, batch: Batch) -> int:
        """Take what ``job``'s turn gives, ``room`` at most, and pass the turn on where it is over."""
        queue = job.queue
        assert queue is not None, "a job that is served stands in a queue"
        seat = queue.seat
        if job.client.held and not (job.aged or job.urgent):
            return self._serve_held(pool, job, room, batch)
        share = self._take(pool, job, min(room, seat.turn_left, job.turn_left if job.aged else room), batch)
        taken = len(share.indexes)
        seat.turn_left -= taken
        over = seat.turn_left <= 0
        if job.aged:
            share.aged = True
            job.turn_left -= taken
            if over or job.turn_left <= 0 or not job.waiting.count:
                self.go_home(pool, job)
        else:
            if not job.urgent:
                share.level = job.level
                job.spent += taken
            self._pass_on(pool, job, over=over)
        if over:
            pool.end_turn(seat)
        return taken

    def _serve_held(self, pool: Pool, job: Job, room: int, batch: Batch) -> int:
        """A held client's turn is what its virtual time gives; neither its rings nor its allotments notice."""
        taken = len(self._take(pool, job, min(room, self._config.quantum), batch).indexes)
        if not job.waiting.count:
            pool.remove(job)
        elif taken == self._config.quantum:
            pool.rotate(job)
        return taken

    def _take(self, pool: Pool, job: Job, most: int, batch: Batch) -> Share:
        indexes = pool.take(job, most)
        share = Share(job, batch.size, indexes, pool.item_ms.get(job.lane, 0.0))
        batch.shares.append(share)
        batch.size += len(indexes)
        pool.time.charge(job.client, share.item_ms * len(indexes))
        return share

    def _pass_on(self, pool: Pool, job: Job, *, over: bool) -> None:
        if not job.waiting.count:
            pool.remove(job)
        elif not job.urgent and job.spent >= self._config.allotment(job.level):
            self._sink(pool, job)
        elif over:
            pool.rotate(job)

    def _sink(self, pool: Pool, job: Job) -> None:
        served, job.spent = job.spent, 0
        pool.move(job, aged=False, level=job.level + 1)
        self.trace(job, TraceKind.SANK, job.level, detail={"served": served})

    def go_home(self, pool: Pool, job: Job) -> None:
        """The turn of ``job`` at level 0 is over."""
        pool.move(job, aged=False, level=job.level)
        self.trace(job, TraceKind.HOMED, job.level)

    # -- sending it off -----------------------------------------------------------------------------------------------

    def _new(self, pool: Pool, lane: str, level: int) -> Batch:
        self._sequence += 1
        return Batch(f"{self._prefix}{self._sequence:09d}", pool.name, lane, level, self.now_ms)

    def restored(self, pool: Pool, event: BatchRestored, jobs: dict[str, Job]) -> Batch:
        """Take in a batch of an earlier core. Items of jobs that are over stay in it without counting."""
        level = min(event.level, self._config.last_level)
        batch = Batch(event.batch_id, pool.name, event.lane, level, self.now_ms)
        batch.size = len(event.items)
        for position, (job_id, index) in enumerate(event.items):
            job = jobs.get(job_id)
            if job is not None:
                job.outstanding += 1
                if batch not in job.unclaimed:
                    job.unclaimed.append(batch)
                batch.shares.append(Share(job, position, [index], 0.0))
        self.batches[batch.id] = batch
        pool.credits.queue(batch.lane, level)
        return batch

    def _dispatch(self, pool: Pool, batch: Batch, reason: str) -> None:
        self.batches[batch.id] = batch
        pool.credits.queue(batch.lane, batch.level)
        items: list[tuple[str, int]] = []
        for share in batch.shares:
            job = share.job
            if batch not in job.unclaimed:
                job.unclaimed.append(batch)
            name = job.id
            items += [(name, index) for index in share.indexes]
        self.out.append(DispatchBatch(batch.id, pool.name, batch.lane, batch.level, items, reason))
        self._tell_batched(batch, reason)
        for share in batch.shares:
            pool.hold_if_ahead(share.job.client)

    def _dispatch_alone(self, pool: Pool, level: int) -> bool:
        waiting = pool.alone[level]
        for job in list(waiting):
            if not job.alone:
                waiting.remove(job)
            elif pool.credits.free(job.lane, level):
                waiting.remove(job)
                self._send_alone(pool, job, level)
                return True
        return False

    def _send_alone(self, pool: Pool, job: Job, level: int) -> None:
        batch = self._new(pool, job.lane, level)
        share = Share(job, 0, [job.alone.pop(0)], pool.item_ms.get(job.lane, 0.0))
        batch.shares.append(share)
        batch.size = 1
        pool.time.charge(job.client, share.item_ms)
        if job.alone:
            pool.queue_alone(job, level=level)
        self._dispatch(pool, batch, ALONE)

    def _promote(self, pool: Pool, job: Job) -> bool:
        """Spend the turn of ``job`` on a batch that already waits in RQ, if there is one; or find its turn void."""
        batch = job.promotable()
        queue = job.queue
        assert queue is not None, "an aged job stands at level 0"
        if batch is not None:
            self._move_batch(pool, batch)
            pool.end_turn(queue.seat)
        elif job.waiting.count:
            return False
        self.go_home(pool, job)
        return True

    def _move_batch(self, pool: Pool, batch: Batch) -> None:
        level = batch.level
        pool.credits.queue(batch.lane, level, -1)
        pool.credits.queue(batch.lane, 0)
        batch.level = 0
        self.out.append(PromoteBatch(batch.id, pool.name, batch.lane, level, 0))
        for job in {share.job: None for share in batch.shares}:
            self.trace(job, TraceKind.MOVED, 0, batch.id, {"from_level": level})

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell_batched(self, batch: Batch, reason: str) -> None:
        jobs = len(batch.shares)
        for share in batch.shares:
            detail: Detail = {
                "items": len(share.indexes),
                "size": batch.size,
                "jobs": jobs,
                "why": reason,
            }
            if share.job.client.held:
                detail["held"] = 1
            self.out.append(
                Trace(share.job.id, TraceKind.BATCHED, batch.level, self.now_ms, batch.id, detail),
            )

    def _tell_held(self, client: Client) -> None:
        told = 0
        for seat in client.seats[:-1]:
            for queue in seat.queues.values():
                for job in queue.plain:
                    if told == HELD_TOLD_MAX:
                        return
                    told += 1
                    if not job.held_told:
                        job.held_told = True
                        self.trace(job, TraceKind.HELD_DOWN, self._config.last_level)

    def trace(
        self,
        job: Job,
        kind: TraceKind,
        level: int,
        batch_id: str = "",
        detail: Detail | None = None,
    ) -> None:
        """Tell ``job`` what was done with it."""
        self.out.append(Trace(job.id, kind, level, self.now_ms, batch_id, detail or {}))
