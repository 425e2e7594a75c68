"""Problem documents (RFC 9457): one table from the error tree to HTTP, and one writer for every error there is."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi.exceptions import RequestValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from gateway.crud.detect import DeadlinePassed, ImageFailed
from gateway.crud.quotas import QuotaExceeded
from tenfold.contract import errors

MEDIA_TYPE: Final = "application/problem+json"
STORE_RETRY_S: Final = 1
CLIENT_CLOSED: Final = 499

# The error tree → HTTP; the nearest class in an error's own order of inheritance counts.
STATUS: Final[Mapping[type[BaseException], int]] = {
    errors.InvalidRequest: 422,
    errors.InvalidImage: 422,
    errors.UnsupportedMedia: 415,
    errors.TooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.ClientQueueFull: 429,
    QuotaExceeded: 429,
    errors.Unavailable: 503,
    errors.StoreUnavailable: 503,
    ImageFailed: 500,
    DeadlinePassed: 504,
    RedisConnectionError: 503,
    RedisTimeoutError: 503,
    OutOfMemoryError: 503,
    ReadOnlyError: 503,
    ClientDisconnect: CLIENT_CLOSED,
}

# Codes that are told apart from their class's status.
STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "empty_image": 400,
    "malformed_multipart": 400,
    "malformed_archive": 400,
    "upload_stalled": 408,
}

_SILENT: Final = "Redis does not answer; try again"
_STORE_TROUBLE: Final[Mapping[type[BaseException], str]] = {
    RedisConnectionError: _SILENT,
    RedisTimeoutError: _SILENT,
    errors.StoreUnavailable: _SILENT,
    OutOfMemoryError: "Redis has no memory left to take this in; try again later",
    ReadOnlyError: "Redis takes no writes: it is a replica, or its disk fails; try again later",
}

log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document. ``code`` is the stable word; ``field`` names the one thing that was wrong, if one was."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str = ""
    field: str | None = None
    errors: list[dict[str, str]] | None = None
    missing: list[str] | None = None


def status_of(error: BaseException) -> int:
    """The HTTP status of an error; 500 for what is in no table."""
    code = getattr(error, "code", None)
    if isinstance(code, str) and code in STATUS_OF_CODE:
        return STATUS_OF_CODE[code]
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def answer(request: Request, error: Exception) -> Response:
    """The problem response for any error. Details of a bug stay in the log."""
    if isinstance(error, RequestValidationError):
        return _validation(request, error)
    if isinstance(error, HTTPException):
        return _routing(request, error)
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    trouble = next((told for kind, told in _STORE_TROUBLE.items() if isinstance(error, kind)), None)
    if trouble is not None:
        headers["Retry-After"] = str(STORE_RETRY_S)
        return respond(request, status, "store_unavailable", trouble, headers=headers)
    if status == CLIENT_CLOSED:  # nobody reads it, but the log and the counters tell of it
        return respond(request, status, "client_gone", "the client went away before its body had ended")
    if not isinstance(error, errors.RequestError):
        return respond(request, status, "internal_error", "something went wrong here; the log knows it by request_id")
    headers |= getattr(error, "headers", {})
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    extra = {"field": getattr(error, "field", None), "missing": getattr(error, "missing", None)}
    return respond(request, status, error.code, str(error), headers=headers, **extra)


def respond(
    request: Request, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """A problem document as a response; ``extra`` are the optional members of :class:`Problem`."""
    request.scope["tenfold.code"] = code
    title = "Client Closed Request" if status == CLIENT_CLOSED else HTTPStatus(status).phrase
    body = Problem(
        f"urn:tenfold:problem:{code}",
        title,
        status,
        detail,
        request.url.path,
        code,
        request.scope.get("tenfold.request_id", ""),
        **extra,
    )
    return Response(msgspec.json.encode(body), status, dict(headers or {}), MEDIA_TYPE)


def _routing(request: Request, error: HTTPException) -> Response:
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    path, headers, detail = request.url.path[:256], dict(error.headers or {}), str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path}; /docs lists what there is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router names only the first route at this path; a client wants to know them all.
        headers["Allow"] = ", ".join(_methods_at(request))
        detail = f"{path} takes {headers['Allow']}, not {request.method}"
    return respond(request, error.status_code, code, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    scopes = [{**request.scope, "method": method, "path_params": {}} for method in methods]
    found = (any(route.matches(scope)[0] is Match.FULL for route in request.app.routes) for scope in scopes)
    taken = [method for method, matches in zip(methods, found, strict=True) if matches]
    return ["GET", "HEAD", *taken[1:]] if "GET" in taken else taken


def _validation(request: Request, error: RequestValidationError) -> Response:
    found = [
        {"field": ".".join(str(part) for part in one["loc"][1:]), "message": str(one["msg"])} for one in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in found)
    return respond(request, 422, "invalid_request", detail, field=found[0]["field"] if found else None, errors=found)
