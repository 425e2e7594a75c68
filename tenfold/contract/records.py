"""The records that travel between the services, frozen. ``tenfold.contract.codec`` turns them into bytes and back.

Times that end in ``_ms`` and are no durations are milliseconds since the epoch on Redis' clock.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


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
        pool: the workers that can serve it; today the model's name.
        lane: items of one lane can share a batch: model, version and input size.
        size: side of the square input of the network, pixels.
        count: how many images it has.
        bytes: size of all encoded images together.
        deadline_ms: when the rest of it becomes ``expired``, or None.
    """

    job_id: str
    client: str
    model: str
    version: str
    size: int
    pool: str
    lane: str
    count: int
    bytes: int
    submitted_ms: float
    priority: Priority = Priority.NORMAL
    deadline_ms: float | None = None
    options: DetectOptions = DetectOptions()


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
    """Where an image's time went. ``inference_ms`` is that of its whole micro-batch."""

    queued_ms: float = 0.0
    decode_ms: float = 0.0
    inference_ms: float = 0.0


class BatchInfo(Record, frozen=True, omit_defaults=False):
    """The batch that an image ran in: ``size`` images shared it."""

    id: str
    size: int
    level: int
    worker: str


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
    """What a worker must know of a job to run items of it."""

    options: DetectOptions
    submitted_ms: float
    deadline_ms: float | None = None


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
    version: str
    size: int
    level: int
    items: list[tuple[str, int]]
    jobs: dict[str, JobShare]


class ModelInfo(Record, frozen=True, omit_defaults=False):
    """A model that some worker serves, or served: what a client may ask for.

    Attributes:
        sizes: input sizes it takes, pixels; the first is the default. Each is a lane.
    """

    name: str
    version: str
    labels: list[str]
    sizes: list[int]
    description: str = ""
    synthetic: bool = False

    def lane(self, size: int) -> str:
        """The lane of this model at ``size``."""
        return lane_name(self.name, self.version, size)


class WorkerInfo(Record, frozen=True, omit_defaults=False):
    """A worker as it announced itself.

    Attributes:
        levels: the levels it serves, most urgent first.
        lanes: the lanes it serves.
    """

    name: str
    pool: str
    lanes: list[str]
    levels: list[int]
    model: str
    version: str
    device: str
    host: str
    pid: int
    started_ms: float


def lane_name(model: str, version: str, size: int) -> str:
    """Name the lane of a model's version at one input size, as it appears in RQ queue names.

    Only letters, digits and ``._@-`` remain, so that a name never runs into the ``:`` between the parts of a key.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in model)
    return f"{safe}@{version}-{size}"
