"""The life of a job and of an item as tables: every transition there is, and nothing else.

The tables know no clock, no Redis and no role. A move that is not in its table raises
:class:`IllegalTransition` and changes nothing; the diagrams in ``docs/`` are drawn from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from tenfold.contract.errors import IllegalTransition


class JobState(StrEnum):
    """Where a job stands. The four last ones are final."""

    QUEUED = "queued"  # accepted, no item claimed yet: the first claim makes it RUNNING
    RUNNING = "running"  # at least one item was claimed: the last commit, a cancel or the deadline ends it
    # A job that is open for more images stays as it is when all that it has are final: only its close lets it end.
    SUCCEEDED = "succeeded"  # every item has a result or an error of its own, at least one a result
    FAILED = "failed"  # every item has an error
    CANCELED = "canceled"  # a client said so: what was done is kept
    EXPIRED = "expired"  # the deadline passed while items waited: what was done is kept


class RunState(StrEnum):
    """Where a run of values stands. It moves once, from the first to one of the others, with its last value."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"  # every value was stored or failed, at least one was stored
    FAILED = "failed"  # every value failed


class JobEvent(StrEnum):
    """What moves a job."""

    CLAIMED = "claimed"
    COMPLETED = "completed"  # all items final, at least one result
    ALL_FAILED = "all_failed"  # all items final, no result; or it was closed without any
    CANCELED = "canceled"
    DEADLINE_PASSED = "deadline_passed"


class ItemState(StrEnum):
    """Where one image of a job stands. The four last ones are final."""

    WAITING = "waiting"  # in its job's range, in no batch
    DISPATCHED = "dispatched"  # in a batch that waits in an RQ queue
    LEASED = "leased"  # in a batch that a worker holds: the reaper takes it back when the lease runs out
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class ItemEvent(StrEnum):
    """What moves an item."""

    BATCHED = "batched"
    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    ERRED = "erred"
    HANDED_BACK = "handed_back"  # a worker returned what it had not run
    LEASE_LOST = "lease_lost"
    BATCH_DROPPED = "batch_dropped"  # a batch vanished before a claim
    REJECTED = "rejected"  # refused at the gateway: an error without ever being scheduled
    CANCELED = "canceled"
    DEADLINE_PASSED = "deadline_passed"


JOB_TRANSITIONS: Mapping[JobState, Mapping[JobEvent, JobState]] = MappingProxyType(
    {
        JobState.QUEUED: MappingProxyType(
            {
                JobEvent.CLAIMED: JobState.RUNNING,
                JobEvent.ALL_FAILED: JobState.FAILED,  # every image was rejected from its header, or none ever came
                JobEvent.CANCELED: JobState.CANCELED,
                JobEvent.DEADLINE_PASSED: JobState.EXPIRED,
            }
        ),
        JobState.RUNNING: MappingProxyType(
            {
                JobEvent.CLAIMED: JobState.RUNNING,
                JobEvent.COMPLETED: JobState.SUCCEEDED,
                JobEvent.ALL_FAILED: JobState.FAILED,
                JobEvent.CANCELED: JobState.CANCELED,
                JobEvent.DEADLINE_PASSED: JobState.EXPIRED,
            }
        ),
        JobState.SUCCEEDED: MappingProxyType({}),
        JobState.FAILED: MappingProxyType({}),
        JobState.CANCELED: MappingProxyType({}),
        JobState.EXPIRED: MappingProxyType({}),
    }
)

ITEM_TRANSITIONS: Mapping[ItemState, Mapping[ItemEvent, ItemState]] = MappingProxyType(
    {
        ItemState.WAITING: MappingProxyType(
            {
                ItemEvent.BATCHED: ItemState.DISPATCHED,
                ItemEvent.REJECTED: ItemState.FAILED,
                ItemEvent.CANCELED: ItemState.CANCELED,
                ItemEvent.DEADLINE_PASSED: ItemState.EXPIRED,
            }
        ),
        ItemState.DISPATCHED: MappingProxyType(
            {
                ItemEvent.CLAIMED: ItemState.LEASED,
                ItemEvent.BATCH_DROPPED: ItemState.WAITING,
                ItemEvent.CANCELED: ItemState.CANCELED,
                ItemEvent.DEADLINE_PASSED: ItemState.EXPIRED,
            }
        ),
        ItemState.LEASED: MappingProxyType(
            {
                ItemEvent.SUCCEEDED: ItemState.DONE,
                ItemEvent.ERRED: ItemState.FAILED,
                ItemEvent.HANDED_BACK: ItemState.WAITING,
                ItemEvent.LEASE_LOST: ItemState.WAITING,
                ItemEvent.CANCELED: ItemState.CANCELED,
                ItemEvent.DEADLINE_PASSED: ItemState.EXPIRED,
            }
        ),
        ItemState.DONE: MappingProxyType({}),
        ItemState.FAILED: MappingProxyType({}),
        ItemState.CANCELED: MappingProxyType({}),
        ItemState.EXPIRED: MappingProxyType({}),
    }
)

FINAL_JOB_STATES = frozenset(state for state, moves in JOB_TRANSITIONS.items() if not moves)
FINAL_ITEM_STATES = frozenset(state for state, moves in ITEM_TRANSITIONS.items() if not moves)

State = TypeVar("State", JobState, ItemState)
Event = TypeVar("Event", JobEvent, ItemEvent)


def move(table: Mapping[State, Mapping[Event, State]], state: State, event: Event) -> State:
    """Return the state that ``event`` leads to from ``state``.

    Raises:
        IllegalTransition: the table has no such move.
    """
    try:
        return table[state][event]
    except KeyError:
        allowed = ", ".join(table[state]) or "nothing, it is final"
        raise IllegalTransition(f"{state} cannot take {event!s}; it takes {allowed}") from None
