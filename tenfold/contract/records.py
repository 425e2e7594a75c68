"""The records that travel between the services, frozen. ``tenfold.contract.codec`` turns them into bytes and back.

Times that end in ``_ms`` and are no durations are milliseconds since the epoch on Redis' clock.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2s

import msgspec

POOL = "workers"
"""The pool of all inference workers: one ring a level spans the lanes of every model."""


class Priority(StrEnum):
    """What a client may ask for; ``scheduler.core`` turns it into a level."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The root of everything that is stored or sent."""


class DetectOptions(Record, frozen=True):
    """What a client may set for one job.

    Attributes:
        conf: least score of a detection, 0..1.
        iou: overlap above which the weaker of two boxes of a class is dropped, 0..1.
        max_detections: how many detections an image has at most, 1 or more.
    """

    conf: float = 0.25
    iou: float = 0.7
    max_detections: int = 300


class Submission(Record, frozen=True):
    """A job as a client submitted it. It never changes afterwards.

    Attributes:
        pool: the workers among which it is shared out.
        lane: items of one lane can share a batch: model and input size. Not the model's version, so that what waits is
            served by whatever version the workers hold then.
        size: side of the square input of the network, pixels.
        count: how many images it came with.
        bytes: size of all these encoded images together.
        deadline_ms: when the rest of it becomes ``expired``, or None.
        open: more images may be added to it until it is closed.
        traceparent: the request's span (W3C), "" where nobody traces it.
    """

    job_id: str
    client: str
    model: str
    size: int
    pool: str
    lane: str
    count: int
    bytes: int
    submitted_ms: float
    priority: Priority = Priority.NORMAL
    deadline_ms: float | None = None
    options: DetectOptions = DetectOptions()
    open: bool = False
    traceparent: str = ""


class ItemError(Record, frozen=True):
    """Why an image has no detections: a stable word and a sentence for people."""

    code: str
    message: str


class Detection(Record, frozen=True):
    """One object. ``box`` is (x1, y1, x2, y2) in pixels of the image after its EXIF orientation."""

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    label: str


class Timing(Record, frozen=True, omit_defaults=False):
    """Where an image's time went.

    Attributes:
        queued_ms: from its job's submission until its batch began: waiting in the queues, and in its worker's hand.
        decode_ms: its own decoding, on whatever thread and beside whatever else.
        inference_ms: what the model took for its whole micro-batch.
    """

    queued_ms: float = 0.0
    decode_ms: float = 0.0
    inference_ms: float = 0.0


class BatchInfo(Record, frozen=True, omit_defaults=False):
    """The batch that an image ran in: ``size`` images shared it, and one ``version`` of the model computed them all.

    ``version`` is None where none computed the image: its workers were lost.
    """

    id: str
    size: int
    level: int
    worker: str
    version: str | None = None


class ItemResult(Record, frozen=True, omit_defaults=False):
    """What became of one image: either ``detections`` or ``error`` is None.

    ``width`` and ``height`` are None where the image could not be read far enough to know.
    """

    index: int
    width: int | None
    height: int | None
    detections: list[Detection] | None
    error: ItemError | None
    attempts: int = 1
    timing: Timing | None = None
    batch: BatchInfo | None = None


class ValueFailure(Record, frozen=True, omit_defaults=False):
    """Why one value of a run was not stored: which one it was, a stable word and a sentence for people."""

    index: int
    code: str
    message: str


class ItemMeta(Record, frozen=True):
    """What the gateway knows of an image before it runs; ``name`` is data and never a path."""

    name: str
    bytes: int
    content_type: str = ""


class JobShare(Record, frozen=True):
    """What a worker must know of a job to run items of it; ``traceparent`` is its submission's."""

    options: DetectOptions
    submitted_ms: float
    deadline_ms: float | None = None
    traceparent: str = ""


class BatchRecord(Record, frozen=True):
    """A batch on its way to a worker; it is written once and claimed at most once.

    Attributes:
        id: ``<epoch>-<sequence>``, zero-padded: batches compare in the order of their dispatch.
        items: (job id, index) of each image; a position in this list names the image in every later message.
        jobs: job id → what the worker needs of it.
    """

    id: str
    pool: str
    lane: str
    model: str
    size: int
    level: int
    items: list[tuple[str, int]]
    jobs: dict[str, JobShare]


class ModelInfo(Record, frozen=True, omit_defaults=False):
    """A model that some worker serves, or served: what a client may ask for.

    Attributes:
        sizes: input sizes it takes, pixels; the first is the default. Each is a lane.
        source: what it was asked for as, where that is not its name: a path, for instance.
    """

    name: str
    version: str
    labels: list[str]
    sizes: list[int]
    description: str = ""
    synthetic: bool = False
    source: str = ""

    def lane(self, size: int) -> str:
        """The lane of this model at ``size``."""
        return lane_name(self.name, size)

    @property
    def lanes(self) -> list[str]:
        """Its lanes, the default size's first."""
        return [self.lane(size) for size in self.sizes]


class ServedModel(Record, frozen=True, omit_defaults=False):
    """A model that a worker holds, in the version that it holds now."""

    name: str
    version: str


class WorkerInfo(Record, frozen=True, omit_defaults=False):
    """A worker as it announced itself.

    Attributes:
        levels: the levels it serves, most urgent first.
        lanes: the lanes it serves, of all its models.
    """

    name: str
    pool: str
    lanes: list[str]
    levels: list[int]
    models: list[ServedModel]
    device: str
    host: str
    pid: int
    started_ms: float

    def version_of(self, model: str) -> str | None:
        """The version of ``model`` that it holds, or None where it does not serve it."""
        return next((served.version for served in self.models if served.name == model), None)


class ReloadState(StrEnum):
    """How far a worker is with a reload."""

    LOADING = "loading"  # the old version serves meanwhile
    SERVED = "served"  # from the next batch on
    UNCHANGED = "unchanged"  # what would be loaded is what is held
    FAILED = "failed"  # the old version serves on


RELOADED = frozenset({ReloadState.SERVED, ReloadState.UNCHANGED, ReloadState.FAILED})
"""The states in which a worker is done with a reload."""


class ReloadRequest(Record, frozen=True, omit_defaults=False):
    """Somebody asks the workers that hold ``model`` to load it anew.

    Attributes:
        version: what was announced when it was asked for.
        workers: those that held the model then.
    """

    id: str
    model: str
    version: str
    requested_ms: float
    workers: list[str]


class ReloadOutcome(Record, frozen=True, omit_defaults=False):
    """What came of a reload in one worker: the ``version`` that it holds, and why not another where it failed."""

    state: ReloadState
    version: str
    error: str | None = None


class Sample(Record, frozen=True, omit_defaults=False):
    """The system at one moment, as the scheduler tells it.

    Attributes:
        at_ms: when.
        arrived_per_s, done_per_s: images.
        waiting: images in no batch, by level.
        p50_ms, p99_ms: waits of the images that were claimed since the sample before, by level; None where none was.
    """

    at_ms: float
    arrived_per_s: float
    done_per_s: float
    waiting: list[int]
    p50_ms: list[float | None]
    p99_ms: list[float | None]


def lane_name(model: str, size: int) -> str:
    """Name the lane of a model at one input size, as it appears in RQ queue names.

    Only letters, digits and ``._@-`` remain, so that a name never runs into the ``:`` between the parts of a key. A
    name that is changed by that carries a short digest, so that no two models share a lane.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in model)
    if safe != model:
        safe = f"{safe}.{blake2s(model.encode(), digest_size=3).hexdigest()}"
    return f"{safe}@{size}"
