"""What the core is told: the wire's events, the passing of time, and what a restart finds in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.contract.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    EndReason,
    Event,
    JobClosed,
    JobEnded,
    JobExtended,
    JobSubmitted,
    WireEvent,
    WorkerJoined,
    WorkerLeft,
)
from tenfold.contract.records import Submission

__all__ = [
    "BatchClaimed",
    "BatchEnded",
    "BatchLost",
    "BatchRestored",
    "CoreEvent",
    "EndReason",
    "JobClosed",
    "JobEnded",
    "JobExtended",
    "JobRestored",
    "JobSubmitted",
    "TimePassed",
    "WorkerJoined",
    "WorkerLeft",
]


class TimePassed(Event, frozen=True, tag="time_passed"):
    """Nothing but the time has changed."""


class JobRestored(Event, frozen=True, tag="job_restored"):
    """At start: an active job as Redis has it. Nothing is dispatched until an event other than a restored one comes.

    Attributes:
        waiting: (start, stop) ranges of the indexes that are in no live batch and not final.
        served: how many of its items were already served: its level follows from it.
        alone: those of ``waiting`` that lost two workers and run alone.
        total: how many images it has now; None: as many as it came with.
        still_open: more may be added to it.
    """

    job: Submission
    waiting: Sequence[tuple[int, int]] = ()
    served: int = 0
    alone: Sequence[int] = ()
    total: int | None = None
    still_open: bool = False


class BatchRestored(Event, frozen=True, tag="batch_restored"):
    """At start, after its jobs: a batch that waits in RQ or that a worker holds.

    Attributes:
        items: (job id, index) at each position, as dispatched.
        level: the level whose RQ queue it is in.
        claimed_by: the worker that holds it, or None.
        dropped: positions that its claim dropped.
    """

    batch_id: str
    pool: str
    lane: str
    level: int
    items: Sequence[tuple[str, int]]
    claimed_by: str | None = None
    dropped: Sequence[int] = ()


CoreEvent = WireEvent | TimePassed | JobRestored | BatchRestored
