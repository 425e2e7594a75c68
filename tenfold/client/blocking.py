"""The client that the commands use: `Tenfold(url)`, synchronous, with typed results.

    >>> client = Tenfold("http://127.0.0.1:8000")
    >>> for image in client.detect([Upload.of("photo.jpg")]).results:
    ...     print(image.name, image.detections)

Errors are one tree: ClientError, of which NotReachable says that nobody answered, ApiError that the service refused
(with the problem document's words), and WaitRanOut that a job took longer than the caller wanted to wait.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import httpx
import msgspec

from tenfold.contract.errors import TenfoldError
from tenfold.contract.records import BatchInfo, Detection, ItemError, Timing

DEFAULT_URL: Final = "http://127.0.0.1:8000"
FINAL_STATES: Final = frozenset({"succeeded", "failed", "canceled", "expired"})

T = TypeVar("T")


class ClientError(TenfoldError):
    """A request of ours that did not lead to an answer we can use."""


class NotReachable(ClientError):
    """Nobody answered at the address."""


class WaitRanOut(ClientError):
    """A job was not done in the time that the caller gave it; it goes on."""


class ApiError(ClientError):
    """The service refused. `status` is HTTP's, `problem` the problem document (may be empty)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        title, detail = problem.get("title") or f"HTTP {status}", problem.get("detail")
        super().__init__(f"{title}: {detail}" if detail else str(title))
        self.status = status
        self.problem = problem


class ImageCounts(msgspec.Struct, frozen=True):
    """How many images a job has, and what became of them so far."""

    total: int
    done: int = 0
    failed: int = 0


class ImageResult(msgspec.Struct, frozen=True):
    """What became of one image. Either `detections` or `error` is None; boxes are in the image's own pixels."""

    index: int
    name: str = ""
    width: int | None = None
    height: int | None = None
    detections: list[Detection] | None = None
    error: ItemError | None = None
    attempts: int = 1
    timing: Timing | None = None
    batch: BatchInfo | None = None


class Job(msgspec.Struct, frozen=True):
    """A job as the service tells it; `results` is there when a detect request was answered in time."""

    id: str
    state: str
    images: ImageCounts
    model: str = ""
    priority: str = "normal"
    level: int | None = None
    position: int | None = None
    eta_ms: float | None = None
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: Any = None
    results: list[ImageResult] | None = None

    @property
    def is_final(self) -> bool:
        """Whether its state can no longer change."""
        return self.state in FINAL_STATES


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first, and where the next page begins (None at the end)."""

    jobs: list[Job]
    next_cursor: str | None = None


class _ResultPage(msgspec.Struct, frozen=True):
    results: list[ImageResult]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An image to send: what it is called, and its bytes or the file that has them."""

    name: str
    source: Path | bytes

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """The file at `path`, named by its last part."""
        return cls(Path(path).name, Path(path))

    @property
    def size(self) -> int:
        """Its bytes, counted."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """Its bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def body(self) -> Any:
        """What httpx sends: the bytes, or a file that is opened when its turn comes."""
        return self.source if isinstance(self.source, bytes) else _LazyFile(self.source)


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked for with images; None leaves it to the service."""

    model: str | None = None
    conf: float | None = None
    iou: float | None = None
    max_detections: int | None = None
    imgsz: int | None = None
    priority: str | None = None
    deadline_ms: int | None = None

    def fields(self) -> dict[str, str]:
        """Those that were given, as form fields."""
        names = self.__dataclass_fields__
        return {name: str(value) for name in names if (value := getattr(self, name)) is not None}


class _LazyFile:
    """A file that is opened when its turn to be sent comes, so that a job of thousands needs one descriptor."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._at = 0
        self._file: IO[bytes] | None = None

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        self.close()
        return self._at

    def read(self, count: int = -1) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb")
            self._file.seek(self._at)
        # Never more than was announced: a file that grows meanwhile must not break the body's length.
        left = self._size - self._at
        chunk = self._file.read(left if count < 0 else min(count, left))
        self._at += len(chunk)
        if not chunk:
            self.close()
        return chunk

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(slots=True)
class Tenfold:
    """A running Tenfold at `url`. A context manager; every method raises ClientError."""

    url: str = DEFAULT_URL
    api_key: str | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    _http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        timeout = httpx.Timeout(self.read_timeout_s, connect=self.connect_timeout_s)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def detect(self, images: Sequence[Upload], options: Options | None = None, *, wait_s: float = 30.0) -> Job:
        """Send images and wait up to `wait_s` for their results; a job without `results` is still at work.

        A single image that cannot be used raises ApiError; among several, it is that image's own error.
        """
        prefer = {"Prefer": f"wait={wait_s:g}"}
        return self._send_images("/v1/detect", images, options, prefer, timeout_s=wait_s + self.read_timeout_s)

    def submit(self, images: Sequence[Upload], options: Options | None = None) -> Job:
        """Send images as a batch job and return at once."""
        return self._send_images("/v1/jobs", images, options, {}, timeout_s=None)

    def job(self, job_id: str) -> Job:
        """One job as it is now."""
        return self._decode(self._request("GET", f"/v1/jobs/{_part(job_id)}"), Job)

    def jobs(self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None) -> JobPage:
        """A page of jobs, newest first."""
        query = {"state": state, "limit": limit, "cursor": cursor}
        params = {name: value for name, value in query.items() if value is not None}
        return self._decode(self._request("GET", "/v1/jobs", params=params), JobPage)

    def results(self, job_id: str) -> Iterator[ImageResult]:
        """The results so far, in index order, all pages."""
        cursor: str | None = None
        while True:
            params = {} if cursor is None else {"cursor": cursor}
            page = self._decode(self._request("GET", f"/v1/jobs/{_part(job_id)}/results", params=params), _ResultPage)
            yield from page.results
            cursor = page.next_cursor
            if cursor is None:
                return

    def results_as(self, job_id: str, form: str) -> bytes:
        """The results in one of the service's formats, such as `ndjson`, as bytes."""
        return self._request("GET", f"/v1/jobs/{_part(job_id)}/results", params={"format": form}).content

    def trace(self, job_id: str) -> list[dict[str, Any]]:
        """What the scheduler did with a job, in order."""
        return list(self.get(f"/v1/jobs/{_part(job_id)}/trace").get("trace") or [])

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that is over stays as it is."""
        return self._decode(self._request("DELETE", f"/v1/jobs/{_part(job_id)}"), Job)

    def watch(self, job_id: str, *, every_s: float = 0.25, timeout_s: float | None = None) -> Iterator[Job]:
        """The job again and again until it is final. Raises WaitRanOut after `timeout_s`."""
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = self.job(job_id)
            yield job
            if job.is_final:
                return
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise WaitRanOut(f"job {job_id} is {job.state} after {timeout_s:g} s and goes on")
            time.sleep(every_s)

    def get(self, path: str) -> dict[str, Any]:
        """Any other route's JSON object, as plain values."""
        return self._decode(self._request("GET", path), dict)

    def call(self, method: str, path: str, kind: type[T], *, json: Any = None, **params: Any) -> T:
        """Any other route, its answer as a `kind`; `json` is the body, `params` the query."""
        return self._decode(self._request(method, path, json=json, params=params), kind)

    def is_ready(self) -> bool:
        """Whether the service says that it can work: Redis, a scheduler and a worker are there."""
        try:
            self._request("GET", "/readyz", timeout=5.0)
        except ClientError:
            return False
        return True

    def _send_images(
        self,
        path: str,
        images: Sequence[Upload],
        options: Options | None,
        headers: dict[str, str],
        timeout_s: float | None,
    ) -> Job:
        files = [("files", (image.name, image.body(), "application/octet-stream")) for image in images]
        data = options.fields() if options else {}
        timeout = httpx.Timeout(timeout_s, connect=self.connect_timeout_s, write=self.read_timeout_s)
        reply = self._request("POST", path, data=data, files=files, headers=headers, timeout=timeout)
        return self._decode(reply, Job)

    def _request(self, method: str, path: str, **extra: Any) -> httpx.Response:
        try:
            reply = self._http.request(method, path, **extra)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise NotReachable(
                f"no Tenfold answers at {self.url} ({error}); start one with `tenfold up`, or name another with --url"
            ) from error
        except httpx.TimeoutException as error:
            raise WaitRanOut(f"{self.url} did not answer {method} {path} in time") from error
        except httpx.HTTPError as error:
            raise NotReachable(f"the connection to {self.url} broke off: {type(error).__name__} {error}") from error
        if reply.is_error:
            raise ApiError(reply.status_code, _problem(reply))
        return reply

    def _decode(self, reply: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(reply.content, type=kind)
        except msgspec.DecodeError as error:
            raise ClientError(f"{reply.request.url} answered with something that is not Tenfold's: {error}") from error


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
    return problem if isinstance(problem, dict) else {}
