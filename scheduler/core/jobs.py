"""Jobs, their clients and the queues in which a client's jobs stand."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from math import inf
from operator import itemgetter

from scheduler.core.ranges import Ranges
from tenfold.contract.records import Priority, Submission


class Job:
    """A job with items that are not final yet, or that is open for more.

    Attributes:
        count: how many items it has so far.
        open: more may be added; without any that is not final it stays, and stands nowhere.
        level: its own level; ``aged`` and a held client change where it is served, not this.
        waiting: indexes that are in no batch, but for ``alone``.
        alone: indexes that run in a batch of their own.
        outstanding: items that are not final: waiting, alone and in batches.
        parts: the first index of each part that was added to it while it was open, and when it came.
        spent: items served at its own level, against the allotment.
        queue: the queue it stands in while it has ``waiting`` items or a turn to come.
        stamp: its place among its client's jobs: lower is earlier.
        aged: it has a turn at level 0 to come; ``turn_left`` items of it.
        wait_since_ms: when an item of it started last, or when it entered.
        check_ms: when its age is looked at next.
        turn_ms: the longest that a turn of its ring was found to be during its wait.
        unclaimed: its batches that wait in RQ, in the order of dispatch.
    """

    __slots__ = (
        "aged",
        "alone",
        "check_ms",
        "client",
        "count",
        "deadline_ms",
        "done",
        "ended_ms",
        "entered_ms",
        "held_told",
        "id",
        "lane",
        "level",
        "low",
        "open",
        "outstanding",
        "parts",
        "pool",
        "queue",
        "spent",
        "stamp",
        "started_ms",
        "turn_left",
        "turn_ms",
        "unclaimed",
        "urgent",
        "wait_since_ms",
        "waiting",
    )

    def __init__(self, submission: Submission, client: Client, level: int, waiting: Ranges, now_ms: float) -> None:
        self.id = submission.job_id
        self.client = client
        self.lane = submission.lane
        self.pool = submission.pool
        self.count = submission.count
        self.open = submission.open
        self.parts: list[tuple[int, float]] | None = None  # none, as most jobs have none: an empty list costs 56 bytes
        self.deadline_ms = submission.deadline_ms
        self.urgent = submission.priority is Priority.HIGH
        self.low = submission.priority is Priority.LOW
        self.level = level
        self.waiting = waiting
        self.alone: list[int] = []
        self.outstanding = waiting.count
        self.spent = 0
        self.queue: JobQueue | None = None
        self.stamp = 0
        self.aged = False
        self.turn_left = 0
        self.entered_ms = now_ms
        self.wait_since_ms = now_ms
        self.check_ms = 0.0
        self.turn_ms = 0.0
        self.unclaimed: list[Batch] = []
        self.done = 0
        self.started_ms = -1.0
        self.ended_ms = -1.0
        self.held_told = False

    @property
    def exempt(self) -> bool:
        """Whether it stands at level 0 whatever its client was given."""
        return self.urgent or self.aged

    @property
    def unstarted(self) -> bool:
        """Whether it has items that no worker has claimed."""
        return bool(self.waiting.count or self.alone or self.unclaimed)

    def grow(self, count: int, now_ms: float) -> None:
        """It has ``count`` items from now on."""
        self.parts = self.parts or []
        self.parts.append((self.count, now_ms))
        self.count = count

    def came_ms(self, index: int) -> float:
        """When the item at ``index`` came."""
        if not self.parts:
            return self.entered_ms
        place = bisect_right(self.parts, index, key=itemgetter(0))
        return self.parts[place - 1][1] if place else self.entered_ms

    @property
    def oldest_ms(self) -> float:
        """When the first of its waiting items came, of which there must be some."""
        return self.came_ms(next(iter(self.waiting))) if self.parts else self.entered_ms

    def promotable(self) -> Batch | None:
        """The first batch that waits in RQ below level 0, which its turn at level 0 would move up."""
        for batch in self.unclaimed:
            if batch.level > 0:
                return batch
        return None


class JobQueue:
    """One client's jobs at one level in one lane, those that stand at level 0 by right apart.

    Attributes:
        plain_items: waiting items of the plain jobs.
        exempt_items: waiting items of jobs that are high or aged; only level 0 has any.
    """

    __slots__ = ("exempt", "exempt_items", "lane", "plain", "plain_items", "seat")

    def __init__(self, seat: Seat, lane: str) -> None:
        self.seat = seat
        self.lane = lane
        self.plain: OrderedDict[Job, None] = OrderedDict()
        self.exempt: OrderedDict[Job, None] = OrderedDict()
        self.plain_items = 0
        self.exempt_items = 0

    def first_exempt(self) -> Job | None:
        """The first of the exempt jobs."""
        return next(iter(self.exempt)) if self.exempt else None

    def first_plain(self) -> Job | None:
        """The first of the plain jobs."""
        return next(iter(self.plain)) if self.plain else None

    def first(self) -> Job | None:
        """The first of all its jobs."""
        if not self.exempt:
            return next(iter(self.plain)) if self.plain else None
        job = next(iter(self.exempt))
        if self.plain:
            plain = next(iter(self.plain))
            if plain.stamp < job.stamp:
                return plain
        return job

    def jobs_of(self, job: Job) -> OrderedDict[Job, None]:
        """The part of the queue that ``job`` belongs in."""
        return self.exempt if job.urgent or job.aged else self.plain


class Seat:
    """A client's place in the ring of one level.

    Attributes:
        stamp: its place in the ring: lower is earlier.
        turn_left: items that are left of its turn.
    """

    __slots__ = ("client", "level", "queues", "stamp", "turn_left")

    def __init__(self, client: Client, level: int, quantum: int) -> None:
        self.client = client
        self.level = level
        self.queues: dict[str, JobQueue] = {}
        self.stamp = 0
        self.turn_left = quantum

    def queue(self, lane: str) -> JobQueue:
        """Its queue in ``lane``, made where there is none."""
        found = self.queues.get(lane)
        if found is None:
            found = self.queues[lane] = JobQueue(self, lane)
        return found


class Client:
    """Who is charged.

    Attributes:
        service_ms: its virtual time: service given, raised on becoming active to the least among the active.
        held: it is too far ahead: its plain jobs are served at the last level.
        held_ms: when it was last known to be held.
        jobs: how many jobs it has.
        items: its waiting items; ``normal_items`` of them are of jobs that are not low, by lane ``waiting``.
        upper_items: its plain waiting items above the last level, which holding concerns.
    """

    __slots__ = (
        "held",
        "held_ms",
        "items",
        "jobs",
        "name",
        "normal_items",
        "seats",
        "service_ms",
        "upper_items",
        "waiting",
    )

    def __init__(self, name: str, levels: int, quantum: int) -> None:
        self.name = name
        self.service_ms = 0.0
        self.held = False
        self.held_ms = -inf
        self.jobs = 0
        self.items = 0
        self.normal_items = 0
        self.waiting: dict[str, int] = {}
        self.upper_items = 0
        self.seats = [Seat(self, level, quantum) for level in range(levels)]


class Share:
    """What one job has in a batch: consecutive positions.

    Attributes:
        start: the first of its positions.
        level: the job's own level when it was taken, or -1 where that turn was not at its own level.
        aged: it was taken in the job's turn at level 0.
        item_ms: what its client was charged for each item so far.
    """

    __slots__ = ("aged", "indexes", "item_ms", "job", "level", "start")

    def __init__(self, job: Job, start: int, indexes: list[int], item_ms: float) -> None:
        self.job = job
        self.start = start
        self.indexes = indexes
        self.item_ms = item_ms
        self.level = -1
        self.aged = False


class Batch:
    """A batch that was dispatched and has not ended.

    Attributes:
        level: the level whose RQ queue it is in, or was when it was claimed.
        dropped: positions that its claim dropped.
        claimed_by: the worker that holds it, or "".
        begun_ms: from when on its worker had nothing else in hand; infinite while that is not known.
    """

    __slots__ = (
        "begun_ms",
        "claimed_by",
        "claimed_ms",
        "dispatched_ms",
        "dropped",
        "id",
        "lane",
        "level",
        "pool",
        "shares",
        "size",
    )

    def __init__(self, batch_id: str, pool: str, lane: str, level: int, now_ms: float) -> None:
        self.id = batch_id
        self.pool = pool
        self.lane = lane
        self.level = level
        self.shares: list[Share] = []
        self.size = 0
        self.dropped: frozenset[int] = frozenset()
        self.claimed_by = ""
        self.dispatched_ms = now_ms
        self.claimed_ms = -1.0
        self.begun_ms = inf
