"""Jobs that became final, each once, for whoever tells others of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from tenfold.contract.codec import decode
from tenfold.contract.records import Record, Submission
from tenfold.contract.states import JobState
from tenfold.store.connection import BytesRedis
from tenfold.store.keys import Keys
from tenfold.store.scripts import call

SETTLED_MS: Final = 1_000
"""A job is taken once its end is so old: what the scheduler had to say of it is in its trace by then."""
WINDOW_MS: Final = 60_000
NOTE_S: Final = 3_600
"""What ended while no scheduler looked for longer than this is not told of."""


class TraceLine(Record, frozen=True):
    """A line of a job's trace, as the scheduler wrote it."""

    kind: str
    level: int
    at_ms: float
    batch_id: str = ""
    detail: dict[str, str | int | float] = {}  # noqa: RUF012  # msgspec gives each its own


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A final job and its story. ``started_ms`` is None where nothing of it ran; ``level`` where it had none."""

    job: Submission
    state: JobState
    total: int
    done: int
    failed: int
    started_ms: float | None
    finished_ms: float
    level: int | None
    trace: Sequence[TraceLine]


_line = msgspec.json.Decoder(TraceLine)


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """Reads them.

    Attributes:
        injected_now_ms: a test's clock instead of Redis' own.
    """

    client: BytesRedis
    keys: Keys
    injected_now_ms: int | None = None

    def take(self) -> list[str]:
        """The ids of jobs that ended since the last call; nobody else is given them."""
        now = "" if self.injected_now_ms is None else str(self.injected_now_ms)
        taken = call(
            self.client, "take_ended", [self.keys.finished, self.keys.told], [now, SETTLED_MS, WINDOW_MS, NOTE_S]
        )
        return [job_id.decode() for job_id in taken]

    def traced(self, job_ids: Sequence[str]) -> list[EndedJob]:
        """Those of these jobs that somebody traces and that are still there."""
        pipe = self.client.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hmget(self.keys.job(job_id), *_FIELDS)
        found = [(decode(fields[0], Submission), fields[1:]) for fields in pipe.execute() if fields[0] is not None]
        found = [(job, fields) for job, fields in found if job.traceparent]
        for job, _ in found:
            pipe.lrange(self.keys.trace(job.job_id), 0, -1)
        return [
            _ended(job, fields, trace)
            for (job, fields), trace in zip(found, pipe.execute() if found else (), strict=True)
        ]


_FIELDS: Final = ("submission", "state", "total", "done", "failed", "started_ms", "finished_ms", "level")


def _ended(job: Submission, fields: Sequence[bytes | None], trace: Sequence[bytes]) -> EndedJob:
    state, total, done, failed, started, finished, level = (None if raw is None else raw.decode() for raw in fields)
    return EndedJob(
        job,
        JobState(state or ""),
        int(total or 0),
        int(done or 0),
        int(failed or 0),
        None if started is None else float(started),
        float(finished or 0),
        None if level is None else int(level),
        [_line.decode(raw) for raw in trace],
    )
