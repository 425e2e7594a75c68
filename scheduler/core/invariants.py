"""What must hold after every step, in one function."""

from __future__ import annotations

from collections import Counter

from scheduler.core.jobs import Batch, Client, Job, JobQueue
from scheduler.core.pool import Pool
from scheduler.core.state import State


def check_invariants(state: State) -> None:
    """Count everything anew and compare.

    Raises:
        AssertionError: the state contradicts itself; the message says where.
    """
    for batch in state.batches.values():
        _check_batch(state, batch)
    for job in state.jobs.values():
        _check_job(state, job)
    for pool in state.pools.values():
        _check_pool(state, pool)


def _check_batch(state: State, batch: Batch) -> None:
    assert 1 <= batch.size <= state.config.batch_size or not batch.shares, f"{batch.id}: {batch.size} items"
    positions = [share.start + offset for share in batch.shares for offset in range(len(share.indexes))]
    assert len(set(positions)) == len(positions) <= batch.size, f"{batch.id}: a position twice"
    for share in batch.shares:
        assert share.job.lane == batch.lane, f"{batch.id}: {share.job.id} is of another lane"
        unclaimed = batch in share.job.unclaimed
        assert unclaimed == (not batch.claimed_by), f"{batch.id}: claimed and waiting at once"


def _check_job(state: State, job: Job) -> None:
    indexes = [*job.waiting, *job.alone]
    assert len(list(job.waiting)) == job.waiting.count, f"{job.id}: its ranges are miscounted"
    for batch in state.batches.values():
        for share in batch.shares:
            if share.job is job:
                indexes += [
                    index for position, index in enumerate(share.indexes, share.start) if position not in batch.dropped
                ]
    assert len(set(indexes)) == len(indexes), f"{job.id}: an item in two places"
    assert len(indexes) == job.outstanding, f"{job.id}: {len(indexes)} items, {job.outstanding} outstanding"
    assert all(0 <= index < job.count for index in indexes), f"{job.id}: an index out of range"
    assert job.outstanding or job.open or state.restoring, f"{job.id}: over, and still here"
    assert 0 <= job.level <= state.config.last_level, f"{job.id}: level {job.level}"
    assert job.spent < state.config.allotment(job.level) or job.urgent or not job.waiting.count, (
        f"{job.id}: did not sink"
    )
    _check_place(state, job)


def _check_place(state: State, job: Job) -> None:
    pool, queue = state.pools[job.pool], job.queue
    if queue is None:
        assert job.waiting.count == 0, f"{job.id}: waits nowhere"
        assert not job.aged, f"{job.id}: aged nowhere"
        return
    assert job.waiting.count or job.aged, f"{job.id}: stands without reason"
    assert job in queue.jobs_of(job), f"{job.id}: is not where it says"
    assert (job in queue.plain) != (job in queue.exempt), f"{job.id}: stands twice"
    assert queue.seat.client is job.client, f"{job.id}: in another client's queue"
    assert queue.seat.level == (0 if job.exempt else job.level), f"{job.id}: at the wrong level"
    shelf_level = pool.level_of(job)
    if shelf_level < len(pool.rings):
        assert (queue.seat, job.lane) in pool.rings[shelf_level], f"{job.id}: its client has no turn"
    else:
        assert (job.client, job.lane) in pool.last, f"{job.id}: its client is not at the last level"


def _check_pool(state: State, pool: Pool) -> None:
    jobs = [job for job in state.jobs.values() if job.pool == pool.name]
    _check_counts(pool, jobs)
    _check_shelves(pool)
    _check_clients(pool, jobs)
    _check_credits(state, pool)
    for job in jobs:
        assert not job.alone or any(job in waiting for waiting in pool.alone), f"{job.id}: runs alone, and never"


def _check_counts(pool: Pool, jobs: list[Job]) -> None:
    items: Counter[tuple[int, str]] = Counter()
    for job in jobs:
        items[pool.level_of(job), job.lane] += job.waiting.count
    for level, shelf in enumerate(pool.shelves):
        for lane, count in shelf.items.items():
            assert count == items.pop((level, lane), 0), f"level {level}, {lane}: {count} items counted"
    assert not +items, f"uncounted: {+items}"


def _check_shelves(pool: Pool) -> None:
    for level, ring in enumerate(pool.rings):
        for lane in ring.lanes():
            for seat in ring.seats(lane):
                queue = seat.queues[lane]
                assert queue.exempt or (queue.plain and not seat.client.held), f"level {level}: an empty seat"
                assert 0 < seat.turn_left <= pool.config.quantum, f"level {level}: a turn of {seat.turn_left}"
    for lane in pool.last.lanes():
        for client in pool.last.clients(lane):
            assert pool.last.job_of(client, lane) is not None, f"{client.name}: last, with nothing"


def _check_clients(pool: Pool, jobs: list[Job]) -> None:
    for client in pool.time.clients.values():
        own = [job for job in jobs if job.client is client]
        assert client.jobs == len(own), f"{client.name}: {client.jobs} jobs counted"
        assert client.items == sum(job.waiting.count for job in own), f"{client.name}: items"
        assert client.normal_items == sum(job.waiting.count for job in own if not job.low), f"{client.name}: normal"
        for seat in client.seats:
            for queue in seat.queues.values():
                _check_queue(queue)
        upper = sum(queue.plain_items for seat in client.seats[:-1] for queue in seat.queues.values())
        assert client.upper_items == upper, f"{client.name}: {client.upper_items} upper items counted"
        assert client.held == (client in pool.held), f"{client.name}: held or not"
        assert not client.held or upper, f"{client.name}: held with nothing to hold"
    assert all(job.client is pool.time.clients[job.client.name] for job in jobs), "a client twice"
    waiting = [client for client in pool.time.clients.values() if client.normal_items]
    least = min((client.service_ms for client in waiting), default=None)
    assert pool.time.least_ms() == least, "the least-served client is another one"
    _check_realms(pool, waiting)


def _check_realms(pool: Pool, waiting: list[Client]) -> None:
    realms = {client: {pool.credits.realm(lane) for lane in client.waiting} for client in waiting}
    for client in waiting:
        assert sum(client.waiting.values()) == client.normal_items, f"{client.name}: items by lane"
        least = min(other.service_ms for other in waiting if not realms[client].isdisjoint(realms[other]))
        assert pool.time.ahead_ms(client) == client.service_ms - least, f"{client.name}: ahead of others"


def _check_queue(queue: JobQueue) -> None:
    assert queue.plain_items == sum(job.waiting.count for job in queue.plain), "plain items"
    assert queue.exempt_items == sum(job.waiting.count for job in queue.exempt), "exempt items"
    assert all(job.queue is queue for job in (*queue.plain, *queue.exempt)), "a job that stands elsewhere"
    assert not queue.exempt or queue.seat.level == 0, "exempt below level 0"


def _check_credits(state: State, pool: Pool) -> None:
    batches = [batch for batch in state.batches.values() if batch.pool == pool.name]
    waiting = Counter((batch.lane, batch.level) for batch in batches if not batch.claimed_by)
    for lane, counts in pool.credits.queued.items():
        for level, count in enumerate(counts):
            assert count == waiting.pop((lane, level), 0), f"{lane} level {level}: {count} batches counted"
    assert not +waiting, f"uncounted batches: {+waiting}"
    held = {batch.id: batch.claimed_by for batch in batches if batch.claimed_by}
    assert held == {batch_id: name for name, ids in pool.credits.holdings.items() for batch_id in ids}, "who holds what"
    groups = {id(worker.group): worker.group for worker in pool.credits.workers.values()}
    for group in groups.values():
        members = [worker for worker in pool.credits.workers.values() if worker.group is group]
        assert group.count == len(members), "workers miscounted"
        assert group.idle == sum(not worker.held for worker in members), "idle workers miscounted"
        lowest = Counter(max(level for _, level in worker.held.values()) for worker in members if worker.held)
        assert group.lowest == [lowest[level] for level in range(state.config.levels)], "least urgent work miscounted"
