"""What the core wants done. Imperatives: the shell carries them out in their order."""

from __future__ import annotations

from enum import StrEnum

from tenfold.contract.records import Record

Detail = dict[str, str | int | float]


class TraceKind(StrEnum):
    """What the scheduler did with a job."""

    ENTERED = "entered"
    EXTENDED = "extended"  # images were added to it while it was open
    CLOSED = "closed"  # no more images follow
    BATCHED = "batched"
    SANK = "sank"  # its allotment at a level was used up
    AGED = "aged"  # nothing of it started for too long: one turn at level 0
    HOMED = "homed"  # its turn at level 0 is over
    MOVED = "moved"  # a batch of it changed its RQ queue
    HANDED_BACK = "handed_back"  # a worker returned items for something more urgent, or because it stopped
    RETRIED = "retried"  # a worker was lost: the items wait again
    HELD_DOWN = "held_down"  # its client is ahead of the others


class DispatchBatch(Record, frozen=True):
    """Put a new batch into the RQ queue of its lane and level.

    Attributes:
        items: (job id, index) at each position.
        reason: why it goes now, in words.
    """

    batch_id: str
    pool: str
    lane: str
    level: int
    items: list[tuple[str, int]]
    reason: str


class PromoteBatch(Record, frozen=True):
    """Move a batch that nobody claimed between the RQ queues of two levels, in one atomic step."""

    batch_id: str
    pool: str
    lane: str
    from_level: int
    to_level: int


class ExpireJob(Record, frozen=True):
    """The job's deadline passed while items of it had not started."""

    job_id: str


class Trace(Record, frozen=True):
    """A line of a job's history, for "why did I wait?"."""

    job_id: str
    kind: TraceKind
    level: int
    at_ms: float
    batch_id: str = ""
    detail: Detail = {}  # noqa: RUF012  # msgspec gives each its own


Decision = DispatchBatch | PromoteBatch | ExpireJob | Trace
