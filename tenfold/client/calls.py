"""Each request that the clients make, described without sending it."""

import contextlib
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeVar

import httpx
import msgspec

from tenfold.client.errors import ApiError, Busy, ClientError, ProxyFailed
from tenfold.client.records import Job, JobPage, ModelPage, ResultPage
from tenfold.client.uploads import Options, Upload

T = TypeVar("T")

HELD_OPEN_S_MAX: Final = 30.0
"""How long one request waits for results; whoever waits longer follows the job's events, which no proxy cuts off."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and the kind of its answer.

    Attributes:
        repeatable: it may be sent again when the line broke before its answer came.
        into: the file that the answer's bytes go into as they come; None: the answer is read as a `kind`.
        answer_s: how long its answer may take beyond the client's own patience, seconds.
    """

    method: str
    path: str
    kind: type[T]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    images: Sequence[Upload] = ()
    options: Options | None = None
    repeatable: bool = False
    into: Path | None = None
    answer_s: float = 0.0

    def request(self, connect_s: float, read_s: float) -> dict[str, Any]:
        """The arguments of httpx' `build_request`; files are named and not yet opened."""
        asked: dict[str, Any] = {"method": self.method, "url": self.path, "headers": dict(self.headers)}
        asked["timeout"] = httpx.Timeout(read_s + self.answer_s, connect=connect_s)
        if self.params:
            asked["params"] = {name: value for name, value in self.params.items() if value is not None}
        if self.json is not None:
            asked["json"] = self.json
        if self.images:
            asked["files"] = [("files", (one.name, one.body(), "application/octet-stream")) for one in self.images]
            asked["data"] = self.options.fields() if self.options else {}
        return asked

    def read(self, reply: httpx.Response) -> T:
        """The answer. Raises ClientError where it is none of ours."""
        check_ours(reply)
        if self.into is not None:
            return None  # type: ignore[return-value]  # T is None; the file has it
        if self.kind is bytes:
            return reply.content  # type: ignore[return-value]  # T is bytes
        try:
            return msgspec.json.decode(reply.content, type=self.kind)
        except msgspec.DecodeError as error:
            raise ClientError(f"{reply.request.url} answered with something that is not Tenfold's: {error}") from error


def detect(images: Sequence[Upload], options: Options | None, wait_s: float | None) -> Call[Job]:
    """Images to be waited for.

    Without an Idempotency-Key: whoever goes away while waiting wants the rest dropped, and computing an image once more
    after a broken line does no harm.
    """
    # Whole seconds are all that the header can say; what is left of the wait is spent on the job's events.
    held_s = math.floor(HELD_OPEN_S_MAX if wait_s is None else min(wait_s, HELD_OPEN_S_MAX))
    prefer = {"Prefer": f"wait={held_s}" if held_s > 0 else "respond-async"}
    return Call(
        "POST", "/v1/detect", Job, headers=prefer, images=images, options=options, repeatable=True, answer_s=held_s
    )


def submit(images: Sequence[Upload], options: Options | None, idempotency_key: str | None) -> Call[Job]:
    """Images as a batch job; sent again under the same key, it stays one job."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    return Call("POST", "/v1/jobs", Job, headers=headers, images=images, options=options, repeatable=True)


def models() -> Call[ModelPage]:
    """What can be asked for."""
    return Call("GET", "/v1/models", ModelPage, repeatable=True)


def open_job(options: Options | None, idempotency_key: str | None) -> Call[Job]:
    """A job without an image that is open for them."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    params = {**(options.fields() if options else {}), "open": "1"}
    return Call("POST", "/v1/jobs", Job, params=params, headers=headers, repeatable=True)


def add_images(job_id: str, images: Sequence[Upload], idempotency_key: str | None) -> Call[Job]:
    """Images for an open job; sent again under the same key, they are added once."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    return Call("POST", f"/v1/jobs/{_part(job_id)}/images", Job, headers=headers, images=images, repeatable=True)


def close_job(job_id: str) -> Call[Job]:
    """The end of what may be added to a job."""
    return Call("POST", f"/v1/jobs/{_part(job_id)}/close", Job, repeatable=True)


def job(job_id: str) -> Call[Job]:
    """One job as it is now."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}", Job, repeatable=True)


def jobs(state: str | None, limit: int | None, cursor: str | None) -> Call[JobPage]:
    """A page of jobs."""
    return Call("GET", "/v1/jobs", JobPage, params={"state": state, "limit": limit, "cursor": cursor}, repeatable=True)


def results(job_id: str, cursor: str | None, limit: int | None = None) -> Call[ResultPage]:
    """A page of results."""
    params = {"cursor": cursor, "limit": limit}
    return Call("GET", f"/v1/jobs/{_part(job_id)}/results", ResultPage, params=params, repeatable=True)


def results_as(job_id: str, form: str) -> Call[bytes]:
    """All results in one of the service's formats."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/results", bytes, params={"format": form}, repeatable=True)


def picture(job_id: str, index: int) -> Call[bytes]:
    """An image with its boxes drawn, as PNG."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/images/{index}", bytes, repeatable=True)


def pictures(job_id: str, into: Path) -> Call[None]:
    """All of a job's images with their boxes drawn, as a zip that is written to `into`."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/images", type(None), into=into, repeatable=True)


@contextlib.contextmanager
def arriving(path: Path) -> Iterator[BinaryIO]:
    """A file for what comes in pieces; it has its name once all is there, and is not left behind where it never is."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def trace(job_id: str) -> Call[dict[str, Any]]:
    """What the scheduler did with a job."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/trace", dict, repeatable=True)


def cancel(job_id: str) -> Call[Job]:
    """The end of a job."""
    return Call("DELETE", f"/v1/jobs/{_part(job_id)}", Job, repeatable=True)


def get(path: str) -> Call[dict[str, Any]]:
    """Any other route's JSON object."""
    return Call("GET", path, dict, repeatable=True)


def events_path(job_id: str) -> str:
    """Where a job's events are."""
    return f"/v1/jobs/{_part(job_id)}/events"


def check_ours(reply: httpx.Response) -> None:
    """Raise ClientError where a reply that is no error cannot be Tenfold's: it leads elsewhere, or is a web page."""
    if reply.is_redirect:
        where = f"{_place(reply)} answered {reply.status_code} and leads to {reply.headers['Location']}"
        raise ClientError(f"{where}: name the address of Tenfold itself with --url")
    if reply.headers.get("Content-Type", "").startswith("text/html"):
        raise ClientError(f"{_place(reply)} answered with a web page, which is not Tenfold's: is --url right?")


def refusal(reply: httpx.Response) -> ApiError:
    """A reply that is an error, as one of ours."""
    problem, retry_after_s = _problem(reply), _retry_after_s(reply)
    said = "" if problem else _not_ours(reply)
    if retry_after_s is not None:
        return Busy(reply.status_code, problem, retry_after_s, said)
    failed = ProxyFailed if said and reply.status_code in _PROXY_FAILED else ApiError
    return failed(reply.status_code, problem, said)


_PROXY_FAILED: Final = frozenset({502, 503, 504})


def _not_ours(reply: httpx.Response) -> str:
    said = f"{_place(reply)} answered {reply.status_code} {reply.reason_phrase}, not in Tenfold's words"
    if reply.status_code in _PROXY_FAILED:
        return f"{said}: a proxy there does not reach it; is it running?"
    return f"{said}: is --url right?"


def _place(reply: httpx.Response) -> str:
    return str(reply.request.url.copy_with(query=None))


def _retry_after_s(reply: httpx.Response) -> float | None:
    # A date, which HTTP allows as well, is never what this service sends.
    told = reply.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else None


def _part(job_id: str) -> str:
    # An id is one part of a path, whatever a person typed.
    if not job_id or any(c in job_id for c in "/?#%\\") or job_id in {".", ".."}:
        raise ApiError(404, {"title": "Not Found", "detail": f"{job_id!r} is no job's id"})
    return job_id


def _problem(reply: httpx.Response) -> dict[str, Any]:
    try:
        problem = reply.json()
    except ValueError:
        return {}
    # Whatever else speaks JSON there has other words for it.
    return problem if isinstance(problem, dict) and {"title", "detail"} & problem.keys() else {}
