"""What a chaos run left behind, held against what was promised: every job once, every run of values whole, no residue.

Jobs are read as they end, since their lifetime is short here: afterwards nothing of them may be left.
"""

from __future__ import annotations

import fnmatch
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from redis.exceptions import RedisError

from tenfold.store.connection import BytesRedis
from tests.system.load import FINAL
from tests.system.running import eventually

FOR_EVER = (
    "tenfold:leader",
    "tenfold:leader:epoch",
    "tenfold:events",
    "tenfold:status",
    "tenfold:totals",
    "tenfold:models",
    "tenfold:reloads",
    "tenfold:workers",
    "tenfold:beats",
    "tenfold:doorbell:*",
    "tenfold:values",
    "tenfold:value:*",
    "tenfold:values:workers",
    "tenfold:values:beats",
    "tenfold:values:doorbell",
    "rq:queues",
    "rq:workers",
    "rq:workers:*",
    "rq:worker:*",
)
"""Keys that belong to the living system, whatever has passed through it."""

WITH_A_LIFETIME = (
    "tenfold:idem:*",
    "tenfold:reload:*",
    "tenfold:values:run:*",
    "rq:job:*",
    "rq:finished:*",
    "rq:failed:*",
    "rq:clean_registries:*",
)
"""Keys that may outlive a job, but only as long as Redis has been told."""


@dataclass
class History:
    """What happened: accepted jobs with their size, begun runs of values, blows by kind, what clients were told.

    ``times`` tells of blows, acceptances and what was found wrong when each was, by the clock of the logs.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    values_runs: dict[str, int] = field(default_factory=dict)
    blows: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str) -> None:
        self.times.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}")

    def strike(self, what: str) -> None:
        self.note(what)
        self.blows[what] += 1

    def accept(self, job_id: str, images: int) -> None:
        self.note(f"job {job_id} accepted")
        with self.lock:
            if self.accepted.setdefault(job_id, images) != images:
                self.complaints.append(f"two requests were answered with job {job_id}")

    def begin(self, run_id: str, values: int) -> None:
        self.note(f"run {run_id} accepted")
        with self.lock:
            self.values_runs[run_id] = values

    def complain(self, what: str) -> None:
        with self.lock:
            self.complaints.append(what)

    def answer(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1


class Reader(threading.Thread):
    """Looks at every accepted job and run until it is final, and notes what is wrong with it."""

    def __init__(self, url: str, store: BytesRedis, history: History) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.wrong: list[str] = []
        self._url, self._store, self._history = url, store, history
        self._read: set[str] = set()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while not self.over.is_set():
                for run_id, count in self._left(self._history.values_runs).items():
                    self._try(run_id, lambda i=run_id, n=count: _run_of_values(client, i, n))
                self._jobs(client, self._left(self._history.accepted))
                self.over.wait(0.5)

    def all_read(self) -> bool:
        return not self._left(self._history.accepted) and not self._left(self._history.values_runs)

    def _left(self, known: Mapping[str, int]) -> dict[str, int]:
        with self._history.lock:
            return {name: size for name, size in known.items() if name not in self._read}

    def _jobs(self, client: httpx.Client, left: Mapping[str, int]) -> None:
        """Look at what is left, by the list of all: one by one would take longer than a finished job lives."""
        listed: dict[str, dict[str, Any]] = {}
        try:
            for page in _pages(client):
                listed |= {job["id"]: job for job in page}
                if left.keys() <= listed.keys():
                    break
        except (httpx.HTTPError, _NotNow):
            return
        for job_id, images in left.items():
            job = listed.get(job_id)
            if job is None or job["state"] in FINAL:
                self._try(job_id, lambda i=job_id, n=images, told=job: self._job(client, i, n, told))

    def _try(self, name: str, look: Any) -> None:
        try:
            complaint = look()
        except (httpx.HTTPError, RedisError, _NotNow):
            return  # the gateway or Redis is down: it is looked at again
        if complaint is None:
            return
        self._read.add(name)
        if complaint:
            self._history.note(f"{name} found wrong")
            self.wrong.append(complaint)

    def _job(self, client: httpx.Client, job_id: str, images: int, told: dict[str, Any] | None) -> str | None:
        """None where it is not final yet, "" where it is as promised."""
        job = _told(client, f"/v1/jobs/{job_id}") if told is None else told
        if job.get("state") not in {*FINAL, None}:
            return None
        if job.get("state") != "succeeded" or job["images"] != {"total": images, "done": images, "failed": 0}:
            return f"job {job_id} of {images} images: {job}"
        return self._commits(job_id, images)

    def _commits(self, job_id: str, images: int) -> str:
        pipe = self._store.pipeline(transaction=False)
        pipe.lrange(f"tenfold:job:{job_id}:order", 0, -1)
        pipe.hlen(f"tenfold:job:{job_id}:results")
        indexes, results = pipe.execute()
        order = [int(index) for index in indexes]
        if sorted(order) == list(range(images)) and results == images:
            return ""
        doubled = [index for index, times in Counter(order).items() if times > 1]
        return f"job {job_id}: {len(order)} commits and {results} results for {images} images, doubled {doubled}"


class _NotNow(Exception):
    """The gateway answers that Redis is away."""


def _told(client: httpx.Client, path: str) -> dict[str, Any]:
    """An answer, or a problem that is no lack of Redis. Raises _NotNow."""
    reply = client.get(path)
    if reply.status_code == 503:
        raise _NotNow
    answer: dict[str, Any] = reply.json()
    return answer


def _pages(client: httpx.Client) -> Iterator[list[dict[str, Any]]]:
    """All jobs, newest first. Raises _NotNow."""
    cursor = ""
    while True:
        page = _told(client, "/v1/jobs?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        yield page["jobs"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _run_of_values(client: httpx.Client, run_id: str, count: int) -> str | None:
    run = _told(client, f"/v1/values/runs/{run_id}")
    if run.get("state") not in {*FINAL, None}:
        return None
    if (run.get("requested"), run.get("stored"), run.get("failed")) != (count, count, 0):
        return f"run {run_id} of {count} values: {run}"
    return ""


def leftovers(store: BytesRedis, lifetime_s: float, values: int) -> list[str]:
    """What is still there once every lifetime must be over; empty where all is as promised.

    ``values`` is how many values were stored by the runs that a client knows of; a run whose answer was lost adds more.
    """
    found: list[str] = []

    def is_clean() -> bool:
        found[:] = _residue(store)
        return not found

    # An upload that its gateway did not survive is swept a minute after its last piece.
    eventually(is_clean, within_s=max(lifetime_s, 60.0) + 30.0)
    return [*found, *_counters(store, values)]


def _residue(store: BytesRedis) -> list[str]:
    wrong = []
    for raw in store.scan_iter(count=1000):
        key = raw.decode()
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in FOR_EVER):
            continue
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in WITH_A_LIFETIME):
            if store.ttl(raw) == -1:
                wrong.append(f"{key} has no lifetime")
        elif store.exists(raw):
            wrong.append(f"{key} is left over")
    return wrong


def _counters(store: BytesRedis, values: int) -> list[str]:
    """Every counter holds what it counts."""
    totals = {name.decode(): int(value) for name, value in store.hgetall("tenfold:totals").items()}
    stored = int(store.zcard("tenfold:values"))
    bodies = sum(1 for _ in store.scan_iter(match="tenfold:value:*", count=1000))
    checks = {
        "bytes of results that are counted": (totals.get("result_bytes", 0), 0),
        "bytes of kept images that are counted": (totals.get("kept_bytes", 0), 0),
        "events that nobody has handled": (int(store.xlen("tenfold:events")), 0),
        "values in the index and values": (stored, bodies),
    }
    wrong = [f"{what}: {one} is not {other}" for what, (one, other) in checks.items() if one != other]
    if stored < values:
        wrong.append(f"{values} values were stored, and {stored} are there")
    return wrong


def read_everything(reader: Reader, within_s: float) -> list[str]:
    """Wait until every job and run is final, and say what was wrong with any."""
    stuck = [] if eventually(reader.all_read, within_s) else ["the system did not drain"]
    reader.over.set()
    reader.join(30)
    return stuck + reader.wrong
