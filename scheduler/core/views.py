"""What people and gateways may see of the core: standings, queues and workers."""

from __future__ import annotations

from scheduler.core.jobs import Job
from scheduler.core.meter import Meter
from scheduler.core.pool import Pool
from tenfold.contract.records import Record

PACE_ITEMS_LEAST = 20
"""From so many finished items on, a job's own pace tells its end better than the queue's cost does."""


class Standing(Record, frozen=True, omit_defaults=False):
    """Where a job stands.

    Attributes:
        level: the level at which it is served now.
        position: waiting items that are expected to be served before its next one; 0 where none of it waits.
        eta_ms: until its last item is expected to be done; None where nothing was measured yet.
    """

    job_id: str
    level: int
    position: int
    eta_ms: float | None


class QueueView(Record, frozen=True, omit_defaults=False):
    """One lane at one level.

    Attributes:
        waiting: items in no batch; ``queued`` batches wait in RQ, ``running`` ones are held by workers.
        oldest_ms: for how long the job that came first of those waiting has been there.
        arrived_per_s, done_per_s: items, over the last ten seconds.
        capacity_per_s: items that the lane's workers can do at this level, by the measured cost; 0 where unknown.
    """

    pool: str
    lane: str
    level: int
    waiting: int
    queued: int
    running: int
    oldest_ms: float
    arrived_per_s: float
    done_per_s: float
    capacity_per_s: float


class WorkerView(Record, frozen=True, omit_defaults=False):
    """A live worker and the batches that it holds, with its measured cost curve in each lane."""

    name: str
    pool: str
    levels: list[int]
    batches: list[str]
    costs: dict[str, tuple[float, float]]


def standing(pool: Pool, job: Job, now_ms: float) -> Standing:
    """Where ``job`` stands. O(levels · lanes)."""
    ahead = _items_above(pool, job)
    turns = -(-job.waiting.count // pool.config.quantum)
    position = ahead + _items_beside(pool, job, 1) if job.waiting.count else 0
    eta_ms = _by_pace(job, now_ms)
    if eta_ms is None:
        eta_ms = _by_cost(pool, job, ahead + _items_beside(pool, job, turns) + job.outstanding)
    return Standing(job.id, pool.level_of(job), position, eta_ms)


def _items_above(pool: Pool, job: Job) -> int:
    return sum(sum(pool.shelf(level).items.values()) for level in range(pool.level_of(job)))


def _items_beside(pool: Pool, job: Job, turns: int) -> int:
    """Items of others on its own level that go before it had ``turns`` turns."""
    shelf = pool.shelf(pool.level_of(job))
    others = max(0, sum(shelf.items.values()) - job.waiting.count)
    return min(others, max(0, len(shelf) - 1) * pool.config.quantum * max(1, turns))


def _by_pace(job: Job, now_ms: float) -> float | None:
    if job.done < min(PACE_ITEMS_LEAST, job.count // 2 + 1) or job.started_ms < 0.0:
        return None
    pace_ms = (job.ended_ms - job.started_ms) / job.done
    return max(0.0, job.outstanding * pace_ms - (now_ms - job.ended_ms))


def _by_cost(pool: Pool, job: Job, items: int) -> float | None:
    item_ms = pool.item_ms.get(job.lane, 0.0)
    workers = pool.credits.serving(job.lane, pool.level_of(job))
    return items * item_ms / workers if item_ms and workers else None


def queues(pool: Pool, now_ms: float) -> list[QueueView]:
    """Each lane of ``pool`` at each level where there is, or recently was, anything. O(jobs waiting)."""
    running = _running(pool)
    views = []
    for lane in sorted(_lanes(pool)):
        for level in range(pool.config.levels):
            key = (lane, level)
            item_ms = pool.item_ms.get(lane, 0.0)
            views.append(
                QueueView(
                    pool=pool.name,
                    lane=lane,
                    level=level,
                    waiting=pool.shelf(level).items.get(lane, 0),
                    queued=pool.credits.queued.get(lane, [0] * pool.config.levels)[level],
                    running=running.get(key, 0),
                    oldest_ms=_oldest_ms(pool, level, lane, now_ms),
                    arrived_per_s=_rate(pool.arrived.get(key), now_ms),
                    done_per_s=_rate(pool.done.get(key), now_ms),
                    capacity_per_s=1000.0 * pool.credits.serving(lane, level) / item_ms if item_ms else 0.0,
                )
            )
    return views


def _lanes(pool: Pool) -> set[str]:
    lanes = {lane for lane, _ in pool.arrived} | set(pool.credits.queued)
    return lanes.union(*(worker.info.lanes for worker in pool.credits.workers.values()))


def _running(pool: Pool) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for held in pool.credits.holdings.values():
        for lane, level in held.values():
            counts[lane, level] = counts.get((lane, level), 0) + 1
    return counts


def _oldest_ms(pool: Pool, level: int, lane: str, now_ms: float) -> float:
    entered = [job.entered_ms for job in pool.standing(level, lane) if job.waiting.count]
    return max(0.0, now_ms - min(entered)) if entered else 0.0


def _rate(meter: Meter | None, now_ms: float) -> float:
    return meter.per_second(now_ms) if meter else 0.0


def workers(pool: Pool) -> list[WorkerView]:
    """The live workers of ``pool``."""
    return [
        WorkerView(
            name=name,
            pool=pool.name,
            levels=list(worker.info.levels),
            batches=list(worker.held),
            costs={
                lane: (curve.base_ms, curve.item_ms) for (lane, of), curve in pool.worker_costs.items() if of == name
            },
        )
        for name, worker in pool.credits.workers.items()
    ]
