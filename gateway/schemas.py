"""The API's shapes as its pages describe them.

Answers are written from ``gateway.crud``'s structs; a test holds both equal.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

JobStateWord = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(_Schema):
    """A stable word for programs and a sentence for people."""

    code: str = Field(examples=["truncated_image"])
    message: str


class CountsAnswer(_Schema):
    """How many images a job has, and what became of them so far."""

    total: int
    done: int
    failed: int


class LinksAnswer(_Schema):
    """Where to go on from a job."""

    self: str = Field(examples=["/v1/jobs/019b5c0e7a11d3f04c8e"])
    results: str
    events: str
    trace: str


class JobAnswer(_Schema):
    """A job as it stands."""

    id: str
    state: JobStateWord
    open: bool = Field(description="Whether more images may be added to it.")
    model: str
    priority: Literal["high", "normal", "low"]
    level: int | None = Field(description="The level of the feedback queue; 0 is the most urgent.")
    images: CountsAnswer
    position: int | None = Field(description="Images ahead of it, as the scheduler last told.")
    eta_ms: float | None = Field(description="When it should be done, in milliseconds from now.")
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: ErrorAnswer | None = Field(description="Why the job as a whole did not succeed.")
    links: LinksAnswer


class DetectionAnswer(_Schema):
    """One object; the box is in pixels of the image after its EXIF orientation."""

    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2", examples=[[12.5, 40.0, 210.0, 300.5]])
    score: float
    class_id: int
    label: str


class TimingAnswer(_Schema):
    """Where an image's time went, in milliseconds; `inference_ms` is that of all images computed with it."""

    queued_ms: float
    decode_ms: float
    inference_ms: float


class BatchAnswer(_Schema):
    """The batch in which an image ran."""

    id: str
    size: int
    level: int
    worker: str
    version: str | None = Field(
        description="The version of the model that computed all of the batch; null where its workers were lost."
    )


class ImageAnswer(_Schema):
    """What became of one image: either `detections` or `error` is null."""

    index: int
    name: str
    width: int | None
    height: int | None
    error: ErrorAnswer | None
    attempts: int
    detections: list[DetectionAnswer] | None
    timing: TimingAnswer | None
    batch: BatchAnswer | None


class AddedAnswer(_Schema):
    """Where a part's images stand in the job: `count` of them from the index `first` on, in the order sent."""

    first: int
    count: int


class AddedToAnswer(JobAnswer):
    """A job's fields, and where the images that were just added stand in it."""

    added: AddedAnswer


class DetectAnswer(JobAnswer):
    """A job's fields and its results."""

    results: list[ImageAnswer]


class JobsAnswer(_Schema):
    """Jobs, newest first."""

    jobs: list[JobAnswer]
    next_cursor: str | None


class ResultsAnswer(_Schema):
    """Results so far, in index order."""

    results: list[ImageAnswer]
    next_cursor: str | None


class CocoAnswer(_Schema):
    """The same as COCO's object detection format has it, with scores (`format=coco`)."""

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]


class TraceAnswer(_Schema):
    """What the scheduler did with a job, in order."""

    trace: list[dict[str, Any]]


class VersionAnswer(_Schema):
    """A version of a model."""

    version: str
    workers: int = Field(description="How many living workers hold it.")


class WorkerReloadAnswer(_Schema):
    """How far one worker is with a reload."""

    worker: str
    state: Literal["pending", "loading", "served", "unchanged", "failed", "gone"] = Field(
        description="`served` from its next batch on; `unchanged`: the file is the one that it holds; `failed`: the "
        "old version serves on; `gone`: the worker is, and who takes its place loads what is there then."
    )
    version: str | None = Field(description="What the worker holds.")
    error: str | None = Field(description="Why it could not take another version.")


class ReloadAnswer(_Schema):
    """A model that workers were asked to load anew."""

    reload: str = Field(description="The request's id.")
    model: str
    version: str = Field(description="The version that was announced when it was asked for.")
    requested_at: str
    done: bool = Field(description="Whether every worker is done with it.")
    workers: list[WorkerReloadAnswer]


class ModelAnswer(_Schema):
    """A model that can be asked for."""

    name: str
    version: str = Field(description="The one that a worker announced last.")
    description: str
    labels: list[str]
    sizes: list[int] = Field(description="Input sizes (`imgsz`) in pixels; the first is the default.")
    synthetic: bool = Field(description="It computes nothing real: a model of known cost.")
    default: bool
    workers: int = Field(description="How many living workers serve it.")
    versions: list[VersionAnswer] = Field(description="What these workers hold: more than one while it is reloaded.")
    reload: ReloadAnswer | None = Field(description="The last reload, where there was one.")


class ModelsAnswer(_Schema):
    """All models."""

    models: list[ModelAnswer]


class HeldModelAnswer(_Schema):
    """A model that a worker holds."""

    name: str
    version: str


class WorkerAnswer(_Schema):
    """A living worker and what it works on."""

    name: str
    models: list[HeldModelAnswer]
    device: str
    levels: list[int]
    lanes: list[str]
    host: str | None = Field(description="Null without a key where keys are on; so is `pid`.")
    pid: int | None
    started_at: str
    beat_age_ms: float
    state: Literal["idle", "busy"]
    batches: list[str]


class ValuesWorkerAnswer(_Schema):
    """A living values worker. It holds nothing between two steps, and so is neither busy nor idle."""

    name: str
    queue: str = Field(description="The RQ queue that it serves.", examples=["tenfold:values"])
    host: str | None = Field(description="Null without a key where keys are on; so is `pid`.")
    pid: int | None
    started_at: str
    beat_age_ms: float


class WorkersAnswer(_Schema):
    """All living workers: of images, and of values."""

    workers: list[WorkerAnswer]
    values_workers: list[ValuesWorkerAnswer]


class QueueAnswer(_Schema):
    """One lane at one level."""

    name: str = Field(description="The RQ queue.", examples=["tenfold:demo@640:0"])
    pool: str
    lane: str
    level: int
    waiting_items: int = Field(description="Images that are in no batch yet.")
    queued_batches: int = Field(description="Batches in the RQ queue.")
    running_batches: int
    oldest_wait_ms: float | None
    arrived_per_s: float | None
    done_per_s: float | None
    capacity_per_s: float | None = Field(description="Images a second that its workers could do.")


class TotalsAnswer(_Schema):
    """What is queued of everybody, and the bounds."""

    items: int
    bytes: int
    items_max: int
    bytes_max: int


class ShareAnswer(_Schema):
    """What one job has in a batch."""

    job: str | None = Field(description="Null where it is another key's.")
    client: str = Field(description="Tells clients apart without naming them; changes with the leading scheduler.")
    images: int


class LiveBatchAnswer(_Schema):
    """A batch that has not ended."""

    id: str
    lane: str
    level: int
    worker: str | None = Field(description="Who holds it; null while it waits in its RQ queue.")
    images: int
    for_ms: float = Field(description="For how long it has been held, or has waited in its RQ queue.")
    shares: list[ShareAnswer]


class SampleAnswer(_Schema):
    """The system at one moment; lists are by level."""

    at_ms: float = Field(description="Milliseconds since the epoch.")
    arrived_per_s: float
    done_per_s: float
    waiting: list[int] = Field(description="Images in no batch.")
    p50_ms: list[float | None] = Field(description="Median wait of the images that were claimed since the last sample.")
    p99_ms: list[float | None]


class HistoryAnswer(_Schema):
    """The last minutes, the oldest sample first."""

    every_ms: float
    samples: list[SampleAnswer]


class ValuesQueueAnswer(_Schema):
    """The queue of the value-generation jobs."""

    name: str = Field(description="The RQ queue.", examples=["tenfold:values"])
    to_come: int = Field(description="Values that wait for their moment.")
    queued: int = Field(description="Values that are due, in the RQ queue.")
    oldest_wait_ms: float | None = Field(description="How long ago the first of these was due.")
    workers: int = Field(description="How many values workers live.")


class QueuesAnswer(_Schema):
    """Depth, age, rates and live batches; `at` is when the scheduler told, null where none leads."""

    view: Literal["whole", "figures"] = Field(
        description="`figures` without a key where keys are on: batches then do not tell whose they are."
    )
    at: str | None
    leader: str | None
    jobs: int | None = Field(description="Jobs that are not final.")
    drain_items_per_s: float | None
    queued: TotalsAnswer
    queues: list[QueueAnswer]
    batches: list[LiveBatchAnswer]
    turns: dict[str, int] = Field(
        description="How often jobs sank, aged, moved, were held down or expired, and batches were preempted or lost, "
        "since this scheduler leads."
    )
    history: HistoryAnswer
    values: ValuesQueueAnswer


_VALUE_EXAMPLE: Final = {"9f1c2d74-52a3-4c1e-8a50-0c3b1a1f6a2e": "2026-11-23T07:07:54.310919Z"}


class ValueFailureAnswer(_Schema):
    """Why one value of a run was not stored."""

    index: int = Field(description="Which value of the run, in the order of their moments.")
    code: str = Field(examples=["values_full"])
    message: str


class RunAnswer(_Schema):
    """A run of value-generation jobs."""

    id: str = Field(examples=["5e0c7a11d3f04c8e92b1"])
    state: Literal["running", "succeeded", "failed"] = Field(
        description="`succeeded` once every value was stored or failed and at least one was stored."
    )
    requested: int
    stored: int
    late: int = Field(
        description="Of the stored ones, those that came due while no values worker lived, or that were stored after "
        "the window had ended."
    )
    failed: int
    started_at: str = Field(examples=["2026-11-23T07:07:51.412Z"])
    finished_at: str | None = Field(description="When its last value was stored or failed.")
    errors: list[ValueFailureAnswer] = Field(description="One entry for each value that failed.")


class ValueAnswer(_Schema):
    """One value."""

    key: str = Field(examples=["note:1"])
    value: str = Field(examples=["any text"])


class ValuesAnswer(_Schema):
    """Some values."""

    count: int = Field(description="How many are in `data`.", examples=[1])
    data: dict[str, str] = Field(description="Key → value.", examples=[_VALUE_EXAMPLE])


class ValuesPageAnswer(ValuesAnswer):
    """Some of all values, in the order of their keys."""

    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class TotalAnswer(_Schema):
    """How many values there are."""

    count: int = Field(examples=[50])


class DeletedAtRandomAnswer(_Schema):
    """What a random delete drew and did."""

    requested: int = Field(description="What was drawn, from 0 to 10.", examples=[7])
    deleted: int = Field(description="How many were deleted: as many as there were, at most.", examples=[7])


class DeletedAnswer(_Schema):
    """How many values were deleted."""

    deleted: int = Field(examples=[50])


class ProblemAnswer(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(examples=["urn:tenfold:problem:invalid_field"])
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="The stable word to program against.", examples=["invalid_field"])
    request_id: str
    field: str | None = Field(None, description="What was wrong with the request, if one thing was.")
    errors: list[dict[str, str]] | None = Field(None, description="Each thing that was wrong, where several were.")
    missing: list[str] | None = Field(None, description="What the service lacks to be ready.")
