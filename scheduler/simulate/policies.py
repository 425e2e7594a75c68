"""What the feedback queue is compared with: plain orders of jobs, with the same batches and the same workers."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from scheduler.core import Core, CoreConfig
from scheduler.core.decisions import Decision, DispatchBatch
from scheduler.core.events import BatchClaimed, BatchEnded, CoreEvent, JobSubmitted, WorkerJoined
from scheduler.core.ranges import Ranges
from scheduler.simulate.engine import Policy
from tenfold.contract.records import Submission

BATCH_SIZE = 10


class Waiting:
    """A job with images that are in no batch."""

    def __init__(self, job: Submission, place: int) -> None:
        self.job = job
        self.place = place
        self.images = Ranges([(0, job.count)])


Order = Callable[[Waiting], tuple[int, int]]


class Ordered:
    """Serves jobs by a fixed order, ten images a batch, one batch a worker ahead; nothing is ever taken back.

    Attributes:
        level: the RQ level of a batch whose first job is the given one.
    """

    def __init__(self, order: Order, level: Callable[[Waiting], int]) -> None:
        self._order = order
        self._level = level
        self._heap: list[tuple[tuple[int, int], int, Waiting]] = []
        self._waiting_images = 0
        self._workers: dict[str, int] = {}
        self._queued = 0
        self._made = 0

    def next_wakeup_ms(self) -> float | None:
        """Time changes nothing here."""
        return None

    def handle(self, event: CoreEvent, now_ms: float) -> list[Decision]:  # noqa: ARG002  # the clock plays no part
        """Take in an event and say what follows."""
        if isinstance(event, JobSubmitted):
            self._made += 1
            self._push(Waiting(event.job, self._made))
            self._waiting_images += event.job.count
        elif isinstance(event, WorkerJoined):
            self._workers[event.worker.name] = 0
        elif isinstance(event, BatchClaimed):
            self._workers[event.worker] += 1
            self._queued -= 1
        elif isinstance(event, BatchEnded):
            self._workers[event.worker] -= 1
        return self._plan()

    def _push(self, waiting: Waiting) -> None:
        heappush(self._heap, (self._order(waiting), waiting.place, waiting))

    def _plan(self) -> list[Decision]:
        decisions: list[Decision] = []
        idle = sum(not held for held in self._workers.values())
        while self._waiting_images and self._queued < idle + len(self._workers):
            if self._waiting_images < BATCH_SIZE and self._queued >= idle:
                break
            decisions.append(self._batch())
        return decisions

    def _batch(self) -> DispatchBatch:
        items: list[tuple[str, int]] = []
        first = self._heap[0][2]
        while self._heap and len(items) < BATCH_SIZE:
            waiting = heappop(self._heap)[2]
            items += [(waiting.job.job_id, index) for index in waiting.images.take(BATCH_SIZE - len(items))]
            if waiting.images.count:
                self._push(waiting)
        self._waiting_images -= len(items)
        self._queued += 1
        self._made += 1
        name = f"000001-{self._made:09d}"
        return DispatchBatch(name, first.job.pool, first.job.lane, self._level(first), items, "next in order")


_SIZES = CoreConfig()


def _entry_level(waiting: Waiting) -> int:
    return _SIZES.entry_level(waiting.job.priority, waiting.job.count)


POLICIES: dict[str, Callable[[], Policy]] = {
    "fifo": lambda: Ordered(lambda waiting: (0, waiting.place), lambda _: 0),
    "strict": lambda: Ordered(lambda waiting: (_entry_level(waiting), waiting.place), _entry_level),
    "sjf": lambda: Ordered(lambda waiting: (waiting.images.count, waiting.place), lambda _: 0),
    "mlfq": lambda: Core(CoreConfig(epoch=1)),
}
