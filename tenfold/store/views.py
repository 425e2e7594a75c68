"""A job as it stands in Redis."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.contract.codec import decode
from tenfold.contract.records import Submission
from tenfold.contract.states import JobState

JOB_FIELDS = (
    "submission",
    "state",
    "total",
    "done",
    "failed",
    "level",
    "started_ms",
    "finished_ms",
    "results_gone",
    "open",
)


@dataclass(frozen=True, slots=True)
class JobView:
    """What is known of a job at one moment.

    Attributes:
        done: images with a result. failed: images with an error of their own.
        level: the level it is served at, None before the scheduler has seen it.
        results_gone: its results were dropped early to bound memory.
        open: more images may be added to it.
    """

    submission: Submission
    state: JobState
    total: int
    done: int
    failed: int
    level: int | None
    started_ms: float | None
    finished_ms: float | None
    results_gone: bool
    open: bool = False

    @classmethod
    def of(cls, fields: list[bytes | None]) -> JobView | None:
        """From the values of :data:`JOB_FIELDS`, or None where there is no job."""
        submission, state, total, done, failed, level, started, finished, gone, is_open = fields
        if submission is None or state is None:
            return None
        return cls(
            decode(submission, Submission),
            JobState(state.decode()),
            int(total or 0),
            int(done or 0),
            int(failed or 0),
            None if level is None else int(level),
            None if started is None else float(started),
            None if finished is None else float(finished),
            gone is not None,
            is_open is not None,
        )
