"""What OpenAPI is told beside the answers: the bodies that FastAPI does not read, and the problems of each route."""

from typing import Any, Final

from gateway.crud.archives import MEDIA_TYPES as ARCHIVE_TYPES
from gateway.crud.bodies import IMAGE_TYPES
from gateway.crud.fields import DEADLINE_MS_MAX, DETECTIONS_MAX, FILES
from gateway.crud.values import COUNT_MAX, WITHIN_S_MAX, WITHIN_S_MIN
from gateway.schemas import ProblemAnswer


def describe_problems(description: dict[str, Any]) -> dict[str, Any]:
    """``description``, an OpenAPI document, with the schema that every problem answer refers to.

    Wherever a route takes parameters and names no 422, FastAPI describes one of its own, which is not what we answer.
    """
    schemas = description["components"]["schemas"]
    schemas["ProblemAnswer"] = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    for operation in (one for path in description["paths"].values() for one in path.values()):
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            operation["responses"]["422"] = problem_answers(422)[422]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
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
