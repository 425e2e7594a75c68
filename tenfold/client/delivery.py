"""Many images on their way: beyond what one body should carry they go in parts, to a job that is open meanwhile."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from tenfold.client import calls
from tenfold.client.calls import Call
from tenfold.client.errors import WaitRanOut
from tenfold.client.records import Job
from tenfold.client.retries import Retries
from tenfold.client.uploads import Options, Upload

PART_BYTES_MAX: Final = 32 * 2**20
"""What a broken line costs at most is sending this again, and the first images are computed when so much has come; yet
a request of this size takes far longer to send than to set up. The service takes eight times as much."""
PART_IMAGES_MAX: Final = 500
"""The same for pictures of a few KiB, whose number is what counts: some fifty batches."""

PATIENT: Final = Retries(times=10_000, wait_s_max=86_400.0, each_s_max=60.0)
"""How a part waits for room: what the job has queued already makes some, sooner or later. It comes back at least once a
minute, since a job to which nothing comes for long is closed."""

OnSent: TypeAlias = Callable[[Job, int], None]
"""Called with the job as it stands and how many images of it were sent: when it is known, and after each part."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Images to be sent in parts, as the requests that it takes. The same images and key make the same requests.

    Attributes:
        key: the job's idempotency key; each part's follows from it.
        is_resumable: the caller knows the key, and so may send the rest later.
    """

    parts: Sequence[Sequence[Upload]]
    options: Options | None
    key: str
    is_resumable: bool

    @classmethod
    def of(cls, uploads: Sequence[Upload], options: Options | None, idempotency_key: str | None) -> Self:
        """`uploads`, under the caller's key or one of its own. Raises UnusableImage for a file that is gone."""
        return cls(list(in_parts(uploads)), options, idempotency_key or uuid.uuid4().hex, idempotency_key is not None)

    @property
    def is_one(self) -> bool:
        """Whether one body carries all."""
        return len(self.parts) == 1

    def whole(self) -> Call[Job]:
        """All in one request. Only where `is_one`."""
        (images,) = self.parts
        return calls.submit(images, self.options, self.key)

    def opening(self) -> Call[Job]:
        """The job that the parts are for."""
        return calls.open_job(self.options, self.key)

    def adding(self, job_id: str) -> Iterator[tuple[Call[Job], int]]:
        """Each part's request in order, with how many images have been sent after it."""
        sent = 0
        for number, images in enumerate(self.parts):
            sent += len(images)
            digest = hashlib.sha256(f"{self.key}\0{number}".encode()).hexdigest()
            yield calls.add_images(job_id, images, digest), sent


def in_parts(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    """`uploads` in order, each part as large as one body should be. Raises UnusableImage for a file that is gone."""
    part: list[Upload] = []
    part_bytes = 0
    for upload in uploads:
        size = upload.size
        if part and (part_bytes + size > PART_BYTES_MAX or len(part) == PART_IMAGES_MAX):
            yield part
            part, part_bytes = [], 0
        part.append(upload)
        part_bytes += size
    if part:
        yield part


def until(give_up_at_s: float | None) -> OnSent:
    """Raises WaitRanOut once it is later than that, by the monotonic clock, and not everything is sent."""

    def check(job: Job, sent: int) -> None:
        if give_up_at_s is not None and time.monotonic() >= give_up_at_s:
            raise WaitRanOut(f"{sent} images were sent in the time given, not all: job {job.id} is canceled", job.id)

    return check


def tell_sent(on_sent: OnSent | None, job: Job, sent: int) -> None:
    """Tell who wants to hear that `sent` images of `job` were sent."""
    if on_sent is not None:
        on_sent(job, sent)
