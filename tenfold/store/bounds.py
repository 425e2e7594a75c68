"""Rule 11's bounds, and what the store's verdict on a submission means for who sent it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from tenfold.contract.errors import ClientQueueFull, Conflict, NotFound, RequestError, TooLarge, Unavailable
from tenfold.contract.states import FINAL_JOB_STATES, JobState

UPLOAD_LIFETIME_MS = 60_000
"""An upload that sends nothing for so long is abandoned: the scheduler sweeps what it left."""


@dataclass(frozen=True, slots=True)
class Room:
    """Room in the queue: images, and their bytes together."""

    items: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.items} images ({self.bytes} bytes)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be queued (rule 11); a client's share of items and bytes is ``client_share``.

    Attributes:
        images_per_job_max: images of one job, in all the parts in which they came.
        open_jobs_max: jobs of one client that are open for more images.
    """

    items_max: int
    bytes_max: int
    client_share: float
    images_per_job_max: int = 10_000
    open_jobs_max: int = 100

    @property
    def of_all(self) -> Room:
        """What everybody together may have queued."""
        return Room(self.items_max, self.bytes_max)

    @property
    def of_client(self) -> Room:
        """What one client may have queued."""
        return Room(int(self.items_max * self.client_share), int(self.bytes_max * self.client_share))

    @property
    def for_verbs(self) -> Sequence[int]:
        """Both, in the order in which the verbs take them."""
        everybody, one = self.of_all, self.of_client
        return everybody.items, everybody.bytes, one.items, one.bytes

    def require_room(self, reply: list[Any], need: Room) -> None:
        """Raise what the verdict of a verb that takes ``need`` in says; nothing where it was taken.

        Raises:
            ClientQueueFull, Unavailable, TooLarge: a bound is reached.
            Conflict: the upload took too long and was swept.
        """
        verdict = reply[0]
        if verdict == b"abandoned":
            raise upload_expired()
        if verdict == b"too_many_open":
            raise ClientQueueFull(
                f"you have {reply[1]} jobs open for more images, as many as you may; close one",
                code="too_many_open_jobs",
            )
        if verdict in {b"client_full", b"full"}:
            raise self._no_room(need, Room(reply[1], reply[2]), own=verdict == b"client_full")

    def require_open(self, reply: list[Any], count: int) -> None:
        """Raise what the verdict on ``count`` images more for a job says; nothing where it takes them.

        Raises:
            NotFound: the job is gone.
            Conflict: it is not open.
            TooLarge: it would have too many images.
        """
        verdict = reply[0]
        if verdict == b"gone":
            raise NotFound("the job is gone", code="job_not_found")
        if verdict == b"closed":
            raise job_closed(JobState(cast("bytes", reply[1]).decode()))
        if verdict == b"too_many":
            raise TooLarge(
                f"a job takes at most {self.images_per_job_max} images; it has {reply[1]}, and these are {count} more",
                code="too_many_images",
            )

    def _no_room(self, need: Room, queued: Room, *, own: bool) -> RequestError:
        bound = self.of_client if own else self.of_all
        if need.items > bound.items or need.bytes > bound.bytes:
            return TooLarge(
                f"{need} are more than {'you' if own else 'all'} may have queued at all: {bound.items} images, "
                f"{bound.bytes} bytes; send them in parts",
                code="too_many_images",
            )
        in_the_way = _in_the_way(need, queued, bound)
        more = f"{need.items} more ({need.bytes} bytes) pass"
        if own:
            return ClientQueueFull(f"you have {queued} queued; {more} your bound of {bound}", in_the_way=in_the_way)
        return Unavailable(
            f"{queued} are queued; {more} the service's bound of {bound}", code="queue_full", in_the_way=in_the_way
        )


def job_closed(state: JobState) -> Conflict:
    """Nothing can be added to a job that is in ``state`` and not open."""
    why = f"it is {state}" if state in FINAL_JOB_STATES else "it was closed, or never opened with open=1"
    return Conflict(f"no images can be added to this job: {why}; send them as a job of their own", code="job_closed")


def upload_expired() -> Conflict:
    """The upload was swept."""
    return Conflict(
        f"the upload sent nothing for {UPLOAD_LIFETIME_MS // 1000} s and was given up; send it again",
        code="upload_expired",
    )


def _in_the_way(need: Room, queued: Room, bound: Room) -> int:
    """How many queued images, of the size of all that are, must be done before ``need`` fits."""
    items = queued.items + need.items - bound.items
    over_bytes = queued.bytes + need.bytes - bound.bytes
    if over_bytes > 0 and queued.bytes:
        items = max(items, -(-over_bytes * queued.items // queued.bytes))
    return max(1, items)
