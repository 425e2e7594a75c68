"""A job's events: what they are, how they stand in a stream, and where a reader is after its line broke."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import httpx
import msgspec

from tenfold.client.calls import events_path, refusal
from tenfold.client.errors import ClientError, NotReachable, WaitRanOut
from tenfold.client.records import FINAL_STATES, ImageCounts, ImageResult, Job

SILENCE_S: Final = 20.0
"""The service gives a sign of life at least every 15 s; whose line is silent for longer has none."""
RECONNECT_S: Final = 0.5


class StateChanged(msgspec.Struct, frozen=True):
    """The job went into a state, or the stream begins: the job whole."""

    id: str
    job: Job


class Progressed(msgspec.Struct, frozen=True):
    """The job's counts and place."""

    id: str
    state: str
    images: ImageCounts
    level: int | None = None
    position: int | None = None
    eta_ms: float | None = None
    open: bool = False


class ResultCommitted(msgspec.Struct, frozen=True):
    """An image has its result or its error."""

    id: str
    result: ImageResult


Event: TypeAlias = StateChanged | Progressed | ResultCommitted


@dataclass(slots=True)
class EventReader:
    """Bytes in, events out, as they are cut off anywhere (the event stream format of WHATWG's HTML, section 9.2).

    Lines end in LF as this service writes them; an event of a kind that is not known yet is passed over.
    """

    _rest: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Raises ClientError for what is none of Tenfold's."""
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        for block in blocks:
            event = _event_of(dict(_fields(block)))
            if event is not None:
                yield event


def _fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name:
            yield name, value.removeprefix(b" ")


def _event_of(fields: dict[bytes, bytes]) -> Event | None:
    kind, data = fields.get(b"event"), fields.get(b"data", b"")
    event_id = fields.get(b"id", b"").decode()
    try:
        if kind == b"state":
            return StateChanged(event_id, msgspec.json.decode(data, type=Job))
        if kind == b"result":
            return ResultCommitted(event_id, msgspec.json.decode(data, type=ImageResult))
        if kind == b"progress":
            return msgspec.convert({**msgspec.json.decode(data), "id": event_id}, Progressed)
    except (msgspec.DecodeError, TypeError) as error:
        raise ClientError(f"an event is not Tenfold's: {error}") from error
    return None


@dataclass(slots=True)
class Trail:
    """How far a reader has followed a job, over as many connections as it takes.

    Attributes:
        give_up_at_s: when the caller no longer waits, by the monotonic clock; None: never.
        patience_s: how long a broken line may stay broken.
        is_over: the job's end was told.
        with_results: the caller wants results; without, none is asked for where there is no stream.
        must_poll: there is no stream at this address, or none comes through: ask for the job again and again.
    """

    url: str
    job_id: str
    give_up_at_s: float | None = None
    with_results: bool = True
    patience_s: float = 30.0
    is_over: bool = False
    must_poll: bool = False
    _last_id: str = ""
    _broken_since_s: float | None = None
    _reader: EventReader = field(default_factory=EventReader)
    _silent: int = 0
    _heard: bool = False
    _seen: set[int] = field(default_factory=set)
    _polled: Job | None = None

    @property
    def needs_stream(self) -> bool:
        """Whether another connection is to be made."""
        return not (self.is_over or self.must_poll)

    def request(self, connect_s: float) -> dict[str, Any]:
        """The arguments of the next connection."""
        self._reader = EventReader()
        self._heard = False
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self._last_id} if self._last_id else {})}
        silence_s = SILENCE_S if self.give_up_at_s is None else min(SILENCE_S, max(0.001, self._left_s()))
        timeout = httpx.Timeout(silence_s, connect=connect_s)
        return {"method": "GET", "url": events_path(self.job_id), "headers": headers, "timeout": timeout}

    def opened(self, reply: httpx.Response) -> bool:
        """Whether the reply, whose body was read if it is an error, is a stream to read. Raises ApiError."""
        if reply.is_error:
            refused = refusal(reply)
            # No such job is the service's word; no such route is that of an older one, or of a proxy's.
            self.must_poll = reply.status_code in {404, 405, 406, 501} and refused.code != "job_not_found"
            if not self.must_poll and reply.status_code not in {502, 503}:
                raise refused
            return False
        if reply.status_code == httpx.codes.NO_CONTENT:
            self.is_over = True
            return False
        self.must_poll = not reply.headers.get("Content-Type", "").startswith("text/event-stream")
        return not self.must_poll

    def read(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete, each once. Raises WaitRanOut."""
        self._heard, self._silent, self._broken_since_s = True, 0, None
        for event in self._reader.feed(chunk):
            self._last_id = event.id or self._last_id
            if isinstance(event, StateChanged) and event.job.is_final:
                self.is_over = True
            if not isinstance(event, ResultCommitted) or self._is_new(event.result.index):
                yield event
        if not self.is_over:
            self.check_time()

    def broke(self, error: Exception | None = None) -> float:
        """Seconds until the next connection, after this one ended early. Raises NotReachable or WaitRanOut."""
        self.check_time()
        now_s = time.monotonic()
        if isinstance(error, httpx.ReadTimeout) and not self._heard:
            # Something between the service and us keeps the stream to itself.
            self._silent += 1
            self.must_poll = self._silent > 1
            return 0.0
        self._broken_since_s = self._broken_since_s or now_s
        if now_s - self._broken_since_s > self.patience_s:
            why = f"{type(error).__name__} {error}" if error else "it ends at once"
            raise NotReachable(f"the connection to {self.url} broke off and did not come back: {why}") from error
        return RECONNECT_S

    def polled(self, job: Job, results: Iterable[ImageResult]) -> Iterator[Event]:
        """The same events from a job and its results so far, as they were asked for."""
        before, self._polled = self._polled, job
        if not job.is_final and (before is None or before.state != job.state):
            yield StateChanged("", job)
        for result in results:
            if self._is_new(result.index):
                yield ResultCommitted("", result)
        if before is None or before.images != job.images or before.position != job.position:
            yield Progressed("", job.state, job.images, job.level, job.position, job.eta_ms, job.open)
        if job.is_final:
            self.is_over = True
            yield StateChanged("", job)

    def wants_results(self, job: Job) -> bool:
        """Whether a polled job has results that were not told."""
        return self.with_results and job.images.finished > len(self._seen)

    def check_time(self) -> None:
        """Raise WaitRanOut when the caller's time is over."""
        if self.give_up_at_s is not None and self._left_s() <= 0:
            raise WaitRanOut(f"job {self.job_id} is not done after the time given, and goes on", self.job_id)

    def _left_s(self) -> float:
        assert self.give_up_at_s is not None
        return self.give_up_at_s - time.monotonic()

    def _is_new(self, index: int) -> bool:
        if index in self._seen:
            return False
        self._seen.add(index)
        return True


def moment_after(wait_s: float | None) -> float | None:
    """When a caller who waits so long gives up, by the monotonic clock; None: never."""
    return None if wait_s is None else time.monotonic() + wait_s


def job_after(job: Job | None, event: Event) -> Job | None:
    """The job as it stands after an event; the same object where the event tells nothing about it."""
    if isinstance(event, StateChanged):
        return event.job
    if isinstance(event, Progressed) and job is not None and event.state not in FINAL_STATES:
        return msgspec.structs.replace(
            job,
            state=event.state,
            images=event.images,
            level=event.level,
            position=event.position,
            eta_ms=event.eta_ms,
            open=event.open,
        )
    return job
