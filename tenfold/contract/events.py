"""What happened, as the scheduler reads it from the event stream. Past tense; each is one stream entry.

Positions are indexes into ``BatchRecord.items``. The stream is at-least-once and the scheduler may meet an event about
something that it no longer knows: such an event changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tenfold.contract.records import Submission, WorkerInfo


class Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """The root of all events."""


class JobSubmitted(Event, frozen=True, tag="job_submitted"):
    """A job was accepted. ``rejected`` indexes already have their error and are not scheduled."""

    job: Submission
    rejected: list[int] = []


class JobExtended(Event, frozen=True, tag="job_extended"):
    """Images were added to an open job: ``first`` is the index of the first, ``count`` how many there are.

    ``rejected`` indexes already have their error. Where ``first`` is below what the job is known to have, this is old.
    """

    job_id: str
    first: int
    count: int
    rejected: list[int] = []


class JobClosed(Event, frozen=True, tag="job_closed"):
    """No more images follow. ``why`` says so in words where it was not its client who closed it."""

    job_id: str
    why: str = ""


class JobEnded(Event, frozen=True, tag="job_ended"):
    """A job became final other than by its last item: canceled by a client (or expired by the scheduler itself)."""

    job_id: str
    state: str


class WorkerJoined(Event, frozen=True, tag="worker_joined"):
    """A worker is warm and ready to claim."""

    worker: WorkerInfo


class WorkerLeft(Event, frozen=True, tag="worker_left"):
    """A worker said goodbye, or its beat stopped. What it held comes back by its own event."""

    name: str


class BatchClaimed(Event, frozen=True, tag="batch_claimed"):
    """A worker took a batch; ``dropped`` positions were canceled or expired and will not run."""

    batch_id: str
    worker: str
    dropped: list[int] = []


class EndReason(StrEnum):
    """Why a worker gave a batch up."""

    FINISHED = "finished"  # everything ran
    PREEMPTED = "preempted"  # something more urgent waited: the rest goes back
    STOPPED = "stopped"  # the worker was told to stop: the rest goes back


class BatchEnded(Event, frozen=True, tag="batch_ended"):
    """A worker committed what it ran of a batch and holds it no longer.

    Attributes:
        left: positions that were not run and wait again.
        pieces: (images, milliseconds) of each micro-batch: the cost curve's points.
    """

    batch_id: str
    worker: str
    reason: EndReason = EndReason.FINISHED
    left: list[int] = []
    pieces: list[tuple[int, float]] = []


class BatchLost(Event, frozen=True, tag="batch_lost"):
    """The lease of a batch ran out, or the batch vanished before it was claimed.

    Attributes:
        left: positions that wait again.
        alone: those of ``left`` that lost two workers while computing and run alone from now on.
        failed: positions that lost a third one; their error is committed.
    """

    batch_id: str
    worker: str = ""
    left: list[int] = []
    alone: list[int] = []
    failed: list[int] = []


class ValuesRequested(Event, frozen=True, tag="values_requested"):
    """A run of values began: some may be due earlier than what the scheduler waits for."""

    run_id: str


WireEvent = (
    JobSubmitted
    | JobExtended
    | JobClosed
    | JobEnded
    | WorkerJoined
    | WorkerLeft
    | BatchClaimed
    | BatchEnded
    | BatchLost
)
"""What the scheduler's core hears."""

StreamEvent = WireEvent | ValuesRequested
"""What stands in the stream."""
