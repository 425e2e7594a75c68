"""Rule 11's other half: a deadline that the measured rate cannot meet is refused at once.

Only what is certain counts: the job's own images and those that wait at more urgent levels for the same model, at the
rate at which all workers of its lane together would do them. A lane that nobody measured yet refuses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from tenfold.contract.errors import Unavailable
from tenfold.contract.records import Priority, Submission


class _Queue(msgspec.Struct, frozen=True):
    lane: str
    level: int
    waiting_items: int = 0
    capacity_per_s: float = 0.0


def check_deadline(
    job: Submission, status: Mapping[str, Any] | None, allotments: Sequence[int], rivals: Collection[str]
) -> None:
    """Look whether a job can end before its deadline.

    Args:
        status: what the scheduler last published, or None.
        allotments: items that a job is served at each level but the last.
        rivals: the lanes that the same workers serve, its own included.

    Raises:
        Unavailable: it cannot (``deadline_out_of_reach``).
    """
    if job.deadline_ms is None:
        return
    queues = msgspec.convert((status or {}).get("queues", []), list[_Queue], strict=False)
    capacity = max((queue.capacity_per_s for queue in queues if queue.lane == job.lane), default=0.0)
    if capacity <= 0:
        return
    level = entry_level(job.priority, job.count, allotments)
    ahead = sum(queue.waiting_items for queue in queues if queue.lane in rivals and queue.level < level)
    least_ms = 1000 * (ahead + job.count) / capacity
    allowed_ms = job.deadline_ms - job.submitted_ms
    if least_ms > allowed_ms:
        raise Unavailable(
            f"{job.count} images, with {ahead} ahead of them, take {least_ms:.0f} ms at the measured "
            f"{capacity:.1f} images/s; deadline_ms is {allowed_ms:.0f}",
            code="deadline_out_of_reach",
            retry_after_s=ahead / capacity if ahead else None,
        )


def entry_level(priority: Priority, count: int, allotments: Sequence[int]) -> int:
    """The level at which a job begins (rule 1)."""
    if priority is Priority.HIGH:
        return 0
    if priority is Priority.LOW:
        return len(allotments)
    return sum(count > bound for bound in accumulate(allotments))
