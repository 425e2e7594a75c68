"""The API's shapes as its pages describe them.

Answers are written from ``gateway.crud``'s structs; a test holds both equal.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.crud.archives import MEDIA_TYPES as ARCHIVE_TYPES
from gateway.crud.fields import DEADLINE_MS_MAX, DETECTIONS_MAX, FILES
from gateway.crud.intake import IMAGE_TYPES
from gateway.crud.values import COUNT_MAX, WITHIN_S_MAX, WITHIN_S_MIN

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


class WorkersAnswer(_Schema):
    """All living workers."""

    workers: list[WorkerAnswer]


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


def describe_problems(description: dict[str, Any]) -> dict[str, Any]:
    """``description``, an OpenAPI document, with the schema that every problem answer refers to."""
    described = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    description["components"]["schemas"]["ProblemAnswer"] = described
    return description


_MEANING: Final = {
    400: "The body cannot be read, or the image is empty",
    401: "No API key, or one that is not known",
    403: "The key may not do this",
    404: "No such thing, or another key's",
    408: "The body stopped coming",
    409: "In conflict with what is going on",
    410: "It was there, and its lifetime is over",
    413: "A file, the body, or the number of images passes its limit",
    415: "Neither a format nor a content type that is taken",
    422: "A field or an image is not valid",
    429: "Your own bound is reached; see `Retry-After`",
    500: "The service failed",
    503: "No room, no worker, or no Redis; see `Retry-After`",
    504: "The deadline passed first",
}


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's problems are described."""
    return {
        status: {
            "description": _MEANING[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}},
        }
        for status in sorted({*statuses, *({403} if 401 in statuses else ())})
    }


_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "model": {"type": "string", "minLength": 1, "maxLength": 256, "description": "A model's name; see `/v1/models`."},
    "conf": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.25, "description": "Least score."},
    "iou": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.7,
        "description": "Overlap above which the weaker of two boxes of a class is dropped.",
    },
    "max_detections": {"type": "integer", "minimum": 1, "maximum": DETECTIONS_MAX, "default": 300},
    "imgsz": {"type": "integer", "description": "Input size of the network, in pixels; one that the model offers."},
    "priority": {"type": "string", "enum": ["high", "normal", "low"], "default": "normal"},
    "deadline_ms": {
        "type": "integer",
        "minimum": 1,
        "maximum": DEADLINE_MS_MAX,
        "description": "Milliseconds from acceptance after which what has not run is dropped.",
    },
}

IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same request under the same key is answered with the same job for 24 hours.",
}

UPLOAD: Final[dict[str, Any]] = {
    "parameters": [
        *({"name": name, "in": "query", "required": False, "schema": schema} for name, schema in _OPTIONS.items()),
        IDEMPOTENCY_KEY,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILES],
                    "properties": {
                        FILES: {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Images: JPEG, PNG, WebP or BMP, told apart by content.",
                        },
                        **_OPTIONS,
                    },
                }
            },
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGE_TYPES},
        },
    },
}
"""How the routes that take images describe their body: a form, or one image as it is."""

_CONTENT: Final[dict[str, Any]] = UPLOAD["requestBody"]["content"]
_ARCHIVES: Final[dict[str, Any]] = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ARCHIVE_TYPES}
_OPEN: Final[dict[str, Any]] = {
    "name": "open",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": "Leave the job open: more images may be added until it is closed. It may then begin without any.",
}
SUBMIT: Final[dict[str, Any]] = {
    "parameters": [*UPLOAD["parameters"], _OPEN],
    "requestBody": {"required": False, "content": {**_CONTENT, **_ARCHIVES}},
}
"""The same for batch jobs, which may come as an archive, raw or as the form's only file, or stay open for more."""

_FORM: Final[dict[str, Any]] = _CONTENT["multipart/form-data"]["schema"]
_FILES_ALONE: Final[dict[str, Any]] = {**_FORM, "properties": {FILES: _FORM["properties"][FILES]}}
ADD: Final[dict[str, Any]] = {
    "parameters": [IDEMPOTENCY_KEY],
    "requestBody": {
        "required": True,
        "content": {**_CONTENT, **_ARCHIVES, "multipart/form-data": {"schema": _FILES_ALONE}},
    },
}
"""How images for an open job come: as for a new one, without its fields."""

PREFER: Final[dict[str, Any]] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N` (seconds, default 30) or `respond-async`.",
}

DETECT: Final[dict[str, Any]] = {**UPLOAD, "parameters": [*UPLOAD["parameters"], PREFER]}
"""The same for the route that waits."""


def _json_body(schema: dict[str, Any], example: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }


GENERATE: Final = _json_body(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "count": {
                "type": "integer",
                "minimum": 1,
                "maximum": COUNT_MAX,
                "default": 50,
                "description": "How many values to store.",
            },
            "within_s": {
                "type": "number",
                "minimum": WITHIN_S_MIN,
                "maximum": WITHIN_S_MAX,
                "default": 10,
                "description": "Within how many seconds all of them are stored.",
            },
        },
    },
    {"count": 50, "within_s": 10},
    required=False,
)
"""The body of a request for a run; none at all means the defaults."""

PUT_VALUE: Final = _json_body(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["value"],
        "properties": {"value": {"type": "string", "description": "The text to store."}},
    },
    {"value": "any text"},
    required=True,
)
"""The body that carries one value."""
