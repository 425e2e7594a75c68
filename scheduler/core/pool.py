"""All that waits for the workers of one pool: rings, the last level, virtual time, credits and costs.

The pool moves jobs between queues and keeps every count right; it decides nothing about when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from scheduler.core.config import CoreConfig
from scheduler.core.cost import OUTLIER, CostCurve
from scheduler.core.credits import Credits
from scheduler.core.jobs import Batch, Client, Job, JobQueue, Seat, Share
from scheduler.core.least_heap import LeastHeap
from scheduler.core.least_served import LeastServed
from scheduler.core.meter import Meter
from scheduler.core.price import Price
from scheduler.core.ranges import Range
from scheduler.core.ring import Ring
from scheduler.core.virtual_time import VirtualTime
from tenfold.contract.records import Priority, WorkerInfo


class Pool:
    """The waiting work and the workers of one pool.

    Attributes:
        rings: one for each level but the last.
        last: the last level; ``shelves`` are all of them, where the jobs served at a level stand.
        alone: for each level, jobs with items that must run alone; they go first.
        held: the clients that are held down.
        lane_costs: what a batch of a lane costs on any worker; ``worker_costs`` on one, by (lane, worker).
        item_ms: what an item of a full batch costs, for each lane that was measured.
        arrived, done: items a second by (lane, level); ``busy`` worker milliseconds a second likewise.
        prices: what work cost lately in each lane that was measured.
        last_arrival_ms: when an item came last, by (lane, level).
        tick_ms: when a partial batch is due that waits for its tick; infinite where none does.
    """

    __slots__ = (
        "alone",
        "arrived",
        "busy",
        "config",
        "credits",
        "done",
        "held",
        "item_ms",
        "lane_costs",
        "last",
        "last_arrival_ms",
        "name",
        "newly_held",
        "prices",
        "rings",
        "shelves",
        "stamps",
        "tick_ms",
        "time",
        "worker_costs",
    )

    def __init__(self, name: str, config: CoreConfig) -> None:
        self.name = name
        self.config = config
        self.rings = [Ring(config.quantum) for _ in range(config.last_level)]
        self.last = LeastServed()
        self.shelves: list[Ring | LeastServed] = [*self.rings, self.last]
        self.alone: list[deque[Job]] = [deque() for _ in range(config.levels)]
        self.held = LeastHeap()
        self.newly_held: list[Client] = []
        self.credits = Credits(config.levels)
        self.time = VirtualTime(self.credits.realm)
        self.lane_costs: dict[str, CostCurve] = {}
        self.item_ms: dict[str, float] = {}
        self.worker_costs: dict[tuple[str, str], CostCurve] = {}
        self.arrived: dict[tuple[str, int], Meter] = {}
        self.done: dict[tuple[str, int], Meter] = {}
        self.busy: dict[tuple[str, int], Meter] = {}
        self.prices: dict[str, Price] = {}
        self.last_arrival_ms: dict[tuple[str, int], float] = {}
        self.stamps = [0, 0]
        self.tick_ms = float("inf")

    def client(self, name: str) -> Client:
        """The client called ``name``, made where it is not known."""
        client = self.time.clients.get(name)
        if client is None:
            client = self.time.clients[name] = Client(name, self.config.levels, self.config.quantum)
        return client

    def level_of(self, job: Job) -> int:
        """The level at which ``job`` is served now."""
        if job.urgent or job.aged:
            return 0
        return self.config.last_level if job.client.held else job.level

    def standing(self, level: int, lane: str) -> Iterator[Job]:
        """The jobs in ``lane`` that are served at ``level``. O(clients)."""
        if level < len(self.rings):
            for seat in self.rings[level].seats(lane):
                queue = seat.queues[lane]
                yield from queue.exempt
                if not seat.client.held:
                    yield from queue.plain
        else:
            for client in self.last.clients(lane):
                for seat in client.seats if client.held else client.seats[-1:]:
                    if lane in seat.queues:
                        yield from seat.queues[lane].plain

    # -- workers ----------------------------------------------------------------------------------------------------

    def worker_joined(self, info: WorkerInfo) -> None:
        """A worker lives, or says anew what it serves."""
        known = self.credits.workers.get(info.name)
        if known is not None and known.info.models != info.models:
            # Another version costs something else.
            self.forget_worker(info.name)
        self.credits.joined(info)
        self.time.realms_changed()

    def worker_left(self, name: str) -> None:
        """A worker is gone. Does nothing where it is not known."""
        self.credits.left(name)
        self.time.realms_changed()

    # -- places -----------------------------------------------------------------------------------------------------

    def place(self, job: Job, *, head: bool = False, again: bool = False) -> None:
        """Put ``job``, which stands nowhere, into the queue of its level; a job with nothing to do there stays out.

        ``head`` puts it before its client's other jobs; ``again`` says that its items had waited before.
        """
        if not job.waiting.count and not job.aged:
            return
        seat = job.client.seats[0 if job.urgent or job.aged else job.level]
        queue = job.queue = seat.queue(job.lane)
        side = 0 if head else 1
        job.stamp = self.stamps[side] = self.stamps[side] + (1 if side else -1)
        jobs = queue.jobs_of(job)
        jobs[job] = None
        if head:
            jobs.move_to_end(job, last=False)
        items = job.waiting.count
        if items:
            self.time.waits(job.client, job.lane, items, low=job.low, again=again)
        self._add(queue, job, items)
        self._join(queue, job)
        if queue.jobs_of(job) is queue.plain:
            self.hold_if_ahead(job.client)

    def extend(self, job: Job, ranges: list[Range], *, level: int) -> None:
        """More items of ``job`` wait, and ``level`` is its own from now on; at the same one it keeps its place."""
        waited = bool(job.waiting.count)
        queue = job.queue
        if queue is None or (level != job.level and not job.exempt):
            self.remove(job)
            job.waiting.add(ranges)
            job.level = level
            self.place(job, again=waited)
            return
        job.level = level
        items = job.waiting.add(ranges)
        self.time.waits(job.client, job.lane, items, low=job.low, again=waited)
        self._add(queue, job, items)
        if not job.exempt:
            self.hold_if_ahead(job.client)

    def remove(self, job: Job) -> None:
        """Take ``job`` out of the queue that it stands in, if any."""
        queue = job.queue
        if queue is None:
            return
        items = job.waiting.count
        if items:
            self.time.taken(job.client, job.lane, items, low=job.low)
        self._add(queue, job, -items)
        del queue.jobs_of(job)[job]
        job.queue = None
        self._leave_if_empty(queue)

    def move(self, job: Job, *, aged: bool, level: int) -> None:
        """Put ``job`` into the queue of another level, at the tail."""
        self.remove(job)
        job.aged = aged
        job.level = level
        self.place(job, again=True)

    def take(self, job: Job, most: int) -> list[int]:
        """Up to ``most`` of the waiting indexes of ``job``, the first of its queue."""
        queue = job.queue
        assert queue is not None, "only a queued job is taken from"
        indexes = list(job.waiting.take(most))
        taken = len(indexes)
        self.time.taken(job.client, job.lane, taken, low=job.low)
        self._add(queue, job, -taken)
        return indexes

    def put_back(self, job: Job, indexes: list[int]) -> None:
        """Return ``indexes`` to the head of ``job``, and it to the head of its client's jobs."""
        self.remove(job)
        if not job.urgent and job.spent >= self.config.allotment(job.level):
            job.level += 1
            job.spent = 0
        job.waiting.put_back(indexes)
        self.place(job, head=True, again=True)

    def rotate(self, job: Job) -> None:
        """``job`` had its turn: its client's other jobs in its queue go first."""
        if job.queue is not None:
            job.stamp = self.stamps[1] = self.stamps[1] + 1
            job.queue.jobs_of(job).move_to_end(job)

    def end_turn(self, seat: Seat) -> None:
        """``seat`` had its turn."""
        if seat.level < len(self.rings):
            self.rings[seat.level].end_turn(seat)
        else:
            seat.turn_left = self.config.quantum

    def _add(self, queue: JobQueue, job: Job, items: int) -> None:
        seat = queue.seat
        if job.urgent or job.aged:
            queue.exempt_items += items
            shelf: Ring | LeastServed = self.rings[0]
        else:
            queue.plain_items += items
            if seat.level < len(self.rings):
                seat.client.upper_items += items
                shelf = self.last if seat.client.held else self.rings[seat.level]
            else:
                shelf = self.last
        shelf.items[queue.lane] = shelf.items.get(queue.lane, 0) + items

    def _join(self, queue: JobQueue, job: Job) -> None:
        seat = queue.seat
        if job.urgent or job.aged:
            self.rings[0].join(seat, queue.lane)
        elif seat.client.held or seat.level == len(self.rings):
            self.last.join(seat.client, queue.lane)
        else:
            self.rings[seat.level].join(seat, queue.lane)

    def _leave_if_empty(self, queue: JobQueue) -> None:
        seat, lane = queue.seat, queue.lane
        client = seat.client
        held = client.held
        if seat.level < len(self.rings) and not queue.exempt and (held or not queue.plain):
            self.rings[seat.level].leave(seat, lane)
        if queue.plain:
            return
        if held:
            self._release_if_idle(client)
        if (held or seat.level == len(self.rings)) and self.last.job_of(client, lane) is None:
            self.last.leave(client, lane)

    # -- holding down -----------------------------------------------------------------------------------------------

    def hold_if_ahead(self, client: Client) -> None:
        """Hold ``client`` down where it is too far ahead and has anything above the last level."""
        if not client.held and client.upper_items and self.time.ahead_ms(client) > self.config.client_lead_ms:
            self._switch(client, held=True)
            self.held.add(client)
            self.newly_held.append(client)

    def release_caught_up(self, now_ms: float) -> None:
        """Release every held client whom the others have caught up with."""
        while (client := self.held.top()) is not None and self.time.ahead_ms(client) <= 0.0:
            self._release(client, now_ms)
        if self.time.several_realms:
            # Whom the least-served held client still has to wait for, others need not wait for.
            for client in [client for client in self.held if self.time.ahead_ms(client) <= 0.0]:
                self._release(client, now_ms)

    def _release(self, client: Client, now_ms: float) -> None:
        client.held_ms = now_ms
        self.held.remove(client)
        self._switch(client, held=False)

    def _release_if_idle(self, client: Client) -> None:
        if not any(queue.plain for seat in client.seats[:-1] for queue in seat.queues.values()):
            self.held.remove(client)
            client.held = False

    def _switch(self, client: Client, *, held: bool) -> None:
        client.held = held
        for seat, ring in zip(client.seats, self.rings, strict=False):
            for lane, queue in seat.queues.items():
                if queue.plain:
                    self._switch_queue(queue, ring, lane, held=held)

    def _switch_queue(self, queue: JobQueue, ring: Ring, lane: str, *, held: bool) -> None:
        client = queue.seat.client
        items = queue.plain_items if held else -queue.plain_items
        ring.items[lane] = ring.items.get(lane, 0) - items
        self.last.items[lane] = self.last.items.get(lane, 0) + items
        if held:
            self.last.join(client, lane)
            if not queue.exempt:
                ring.leave(queue.seat, lane)
        else:
            ring.join(queue.seat, lane)
            if self.last.job_of(client, lane) is None:
                self.last.leave(client, lane)

    # -- charging ---------------------------------------------------------------------------------------------------

    def charge(self, client: Client, service_ms: float) -> None:
        """Charge ``client``; less than nothing takes back."""
        if service_ms:
            self.time.charge(client, service_ms)
            if service_ms < 0.0:
                self.last.lowered(client)
                self.held.lowered(client)
            else:
                self.hold_if_ahead(client)

    def learn(self, lane: str, worker: str, pieces: list[tuple[int, float]]) -> None:
        """Take measured micro-batches of ``worker`` into the cost curves."""
        curve = self.lane_costs.get(lane)
        if curve is None:
            curve = self.lane_costs[lane] = CostCurve()
        own = self.worker_costs.get((lane, worker))
        if own is None:
            own = self.worker_costs[lane, worker] = CostCurve()
        for images, elapsed_ms in pieces:
            curve.add(images, elapsed_ms)
            own.add(images, elapsed_ms)
        self.item_ms[lane] = curve.cost_ms(self.config.batch_size) / self.config.batch_size

    def spent(self, batch: Batch, images: int, spent_ms: float, now_ms: float) -> None:
        """A worker is through with ``images`` of ``batch``, for which it computed for ``spent_ms``."""
        lane, level = batch.lane, batch.level
        # A pause is no price.
        took_ms = min(max(spent_ms, now_ms - batch.begun_ms), OUTLIER * spent_ms)
        meter = self.busy.get((lane, level))
        if meter is None:
            meter = self.busy[lane, level] = Meter()
        meter.add(took_ms, now_ms)
        price = self.prices.get(lane)
        if price is None:
            price = self.prices[lane] = Price()
        price.add(images, spent_ms, took_ms)

    def forget_worker(self, name: str) -> None:
        """Drop what is known of the speed of ``name``."""
        for key in [key for key in self.worker_costs if key[1] == name]:
            del self.worker_costs[key]

    # -- hand-back --------------------------------------------------------------------------------------------------

    def return_shares(self, returned: list[tuple[Share, list[int]]]) -> None:
        """Items of a batch wait again: each at the head of its job, its client and its ring with the unused turn."""
        turns: dict[Seat, int] = {}
        for share, indexes in reversed(returned):
            job = share.job
            self._unspend(share, len(indexes))
            if share.aged and not job.aged:
                self._turn_again(job, len(indexes))
            self.charge(job.client, -share.item_ms * len(indexes))
            self.put_back(job, indexes)
            queue = job.queue
            assert queue is not None, "what was put back waits"
            if queue.seat.level < len(self.rings) and (job.aged or job.urgent or not job.client.held):
                turns[queue.seat] = turns.get(queue.seat, 0) + len(indexes)
        for seat, items in turns.items():
            self.rings[seat.level].give_turn_back(seat, items)

    def _unspend(self, share: Share, items: int) -> None:
        """What did not run counts against no allotment: a job that sank by it rises again."""
        job = share.job
        if share.level == job.level:
            job.spent = max(0, job.spent - items)
        elif 0 <= share.level == job.level - 1 and share.level >= self.config.entry_level(Priority.NORMAL, job.count):
            self.move(job, aged=job.aged, level=share.level)
            job.spent = max(0, int(self.config.allotment(share.level)) - items)

    def _turn_again(self, job: Job, items: int) -> None:
        self.remove(job)
        job.aged = True
        job.turn_left = items

    def queue_alone(self, job: Job, *, level: int) -> None:
        """``job`` has items that run alone: they go first at ``level``."""
        self.alone[level].append(job)

    # -- batches ----------------------------------------------------------------------------------------------------

    def unqueue(self, batch: Batch) -> None:
        """``batch`` waits in RQ no longer."""
        self.credits.queue(batch.lane, batch.level, -1)
        for share in batch.shares:
            unclaimed = share.job.unclaimed
            if batch in unclaimed:
                unclaimed.remove(batch)
