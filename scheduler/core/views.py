"""What people and gateways may see of the core: standings, queues and workers."""

from __future__ import annotations

from scheduler.core.jobs import Client, Job
from scheduler.core.least_served import LeastServed
from scheduler.core.meter import Meter
from scheduler.core.pool import Pool
from scheduler.core.ring import Ring
from tenfold.contract.records import Record

CLIENTS_COUNTED_MAX = 32
"""Up to so many clients beside a job are looked at one by one for its ETA; more count as if all had enough waiting."""

URGENT_SHARE_MAX = 0.95
"""The part of the workers' time that more urgent work is believed to go on taking, at most."""


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


Rivals = tuple[int, frozenset[str]]
"""A level, and the lanes whose workers may serve a job of it: what waits in others is not in its way."""


class Places:
    """Says where jobs of a pool stand at one instant; what jobs have in common is found once."""

    __slots__ = ("_above", "_beside", "_busy", "_now_ms", "_pool")

    def __init__(self, pool: Pool, now_ms: float) -> None:
        self._pool = pool
        self._now_ms = now_ms
        self._above: dict[Rivals, int] = {}
        self._beside: dict[tuple[Client, int, str, int], int] = {}
        self._busy: dict[Rivals, float] = {}

    def standing(self, job: Job) -> Standing:
        """Where ``job`` stands. O(levels · lanes), and O(clients) while these are few."""
        level, client = self._pool.level_of(job), job.client
        if not job.outstanding:  # it is open, and done with what it has so far
            return Standing(job.id, level, 0, 0.0)
        rivals = self._rivals(job.lane, level)
        above = self._items_above(rivals)
        position = 0
        if job.waiting.count:
            position = above + self._items_beside(client, level, job.lane, self._pool.config.quantum)
        items = above + self._items_beside(client, level, job.lane, client.items) + job.outstanding + _own_before(job)
        return Standing(job.id, level, position, self._eta_ms(job, rivals, items))

    def _rivals(self, lane: str, level: int) -> Rivals:
        return level, self._pool.credits.reach(lane, level).lanes

    def _items_above(self, rivals: Rivals) -> int:
        found = self._above.get(rivals)
        if found is None:
            level, lanes = rivals
            shelves = self._pool.shelves[:level]
            found = self._above[rivals] = sum(_items(shelf, lanes) for shelf in shelves)
        return found

    def _items_beside(self, client: Client, level: int, lane: str, turn: int) -> int:
        """Items of other clients on ``level`` that are served while ``client`` is served ``turn`` items."""
        key = (client, level, lane, turn)
        found = self._beside.get(key)
        if found is None:
            shelf = self._pool.shelves[level]
            others = max(0, _items(shelf, self._rivals(lane, level)[1]) - client.items)
            count = len(shelf) - 1
            if count <= CLIENTS_COUNTED_MAX:
                others = min(others, sum(min(one.items, turn) for one in shelf.clients(lane) if one is not client))
            found = self._beside[key] = min(others, max(0, count) * turn)
        return found

    def _eta_ms(self, job: Job, rivals: Rivals, items: int) -> float | None:
        """The time for ``items`` at the recent price, with what is left of the workers beside more urgent work."""
        pool = self._pool
        price = pool.prices.get(job.lane)
        workers = pool.credits.serving(job.lane, rivals[0])
        if price is None or not workers:
            return None
        work_ms = price.of_ms(items, pool.config.batch_size, pool.lane_costs[job.lane])
        return work_ms / (workers - min(self._urgent(rivals), URGENT_SHARE_MAX * workers))

    def _urgent(self, rivals: Rivals) -> float:
        """Workers that are busy with what is more urgent than the level, on the average of the last seconds."""
        found = self._busy.get(rivals)
        if found is None:
            level, lanes = rivals
            meters = (meter for (lane, at), meter in self._pool.busy.items() if at < level and lane in lanes)
            found = self._busy[rivals] = sum(meter.per_second(self._now_ms) for meter in meters) / 1000.0
        return found


def _items(shelf: Ring | LeastServed, lanes: frozenset[str]) -> int:
    return sum(count for lane, count in shelf.items.items() if lane in lanes)


def _own_before(job: Job) -> int:
    """Items of its own client's other jobs that take turns with it."""
    queue = job.queue
    if queue is None:
        return 0
    jobs = queue.jobs_of(job)
    if len(jobs) > CLIENTS_COUNTED_MAX:
        return queue.plain_items + queue.exempt_items - job.waiting.count
    return sum(min(other.waiting.count, job.waiting.count) for other in jobs if other is not job)


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
                    waiting=pool.shelves[level].items.get(lane, 0),
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
    came = [job.oldest_ms for job in pool.standing(level, lane) if job.waiting.count]
    return max(0.0, now_ms - min(came)) if came else 0.0


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
