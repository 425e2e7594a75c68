"""What the scheduler does in Redis: lead, read what happened, dispatch, move, take back, tidy up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import msgspec
from redis.exceptions import ResponseError

from tenfold.contract.codec import decode, encode, encode_event
from tenfold.contract.errors import BadMessage, LeadershipLost
from tenfold.contract.events import JobClosed, JobEnded
from tenfold.contract.records import BatchRecord, Record, Submission, WorkerInfo
from tenfold.contract.states import JobState
from tenfold.store.connection import BytesRedis
from tenfold.store.keys import (
    RQ_FAILED_PREFIX,
    RQ_FINISHED_PREFIX,
    RQ_JOB_PREFIX,
    RQ_WIP_PREFIX,
    Keys,
    rq_queue,
)
from tenfold.store.scripts import Argument, call

log = logging.getLogger("tenfold.scheduler")

R = TypeVar("R", bound=Record)

LEADER_LEASE_MS = 3_000
"""How long a leadership holds without renewal: another scheduler takes over within it and a renewal."""

LOSSES_MAX = 3
"""Workers that one image may cost; with the last it fails."""

TRACE_ENTRIES_MAX = 256
STANDINGS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that is not final, as a new leader finds it.

    Attributes:
        settled: indexes that have a result or an error.
        alone: indexes that cost so many workers that they run alone.
        total: images that it has now.
        open: more may be added to it.
    """

    job: Submission
    settled: frozenset[int]
    alone: frozenset[int]
    total: int
    open: bool


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """A batch that waits in RQ at ``level`` or is held by ``worker``."""

    record: BatchRecord
    level: int
    worker: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A new batch, and the commands by which RQ enqueues it: the words of each, the second of them its key."""

    record: BatchRecord
    commands: Sequence[Sequence[Argument]]


@dataclass(slots=True)
class JobTrace:
    """What is appended to a job's trace, and the level that it has now; "" where that is not said."""

    level: int | str = ""
    entries: list[bytes] = field(default_factory=list)


Traces = Mapping[str, JobTrace]
"""By job."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a new leader must know, and the place in the stream from which on it reads.

    Read in this order, that nothing slips between: place in the stream, batches, jobs. What happens meanwhile comes as
    events and changes nothing twice.
    """

    last_event: bytes
    workers: list[WorkerInfo]
    batches: list[LiveBatch]
    jobs: list[ActiveJob]


@dataclass(frozen=True, slots=True)
class SchedulerStore:
    """The scheduler's side of the keyspace.

    Attributes:
        keep_images_ms: how long an image stays after its result.
        injected_now_ms: a test's clock instead of Redis' own.
    """

    client: BytesRedis
    keys: Keys
    keep_images_ms: int
    injected_now_ms: int | None = None

    # Leadership

    def lead(self, token: str) -> str | None:
        """Take or renew the leadership; ``token`` is "" where one has none. None where another leads."""
        reply = call(self.client, "lead", [self.keys.leader, self.keys.leader_epoch], [token, LEADER_LEASE_MS])
        return None if reply is None else reply.decode()

    def resign(self, token: str) -> None:
        """Give the leadership up at once."""
        call(self.client, "lead", [self.keys.leader, self.keys.leader_epoch], [token, 0])

    # What happened

    def snapshot(self, beaten_since_ms: float) -> Snapshot:
        """Everything there is; workers count as living that beat since ``beaten_since_ms``."""
        newest = self.client.xrevrange(self.keys.events, count=1)
        last_event = newest[0][0] if newest else b"0-0"
        batches = self._live_batches()
        return Snapshot(last_event, self.workers(beaten_since_ms), batches, self._active_jobs())

    def forget_events(self, up_to: bytes) -> None:
        """Trim what has been handled."""
        milliseconds, sequence = up_to.decode().split("-")
        self.client.xtrim(self.keys.events, minid=f"{milliseconds}-{int(sequence) + 1}", approximate=False)

    def workers(self, beaten_since_ms: float) -> list[WorkerInfo]:
        """The workers that beat since then; those of another version, who cannot be understood, count as gone."""
        alive = self.client.zrangebyscore(self.keys.beats, beaten_since_ms, "+inf")
        if not alive:
            return []
        found = []
        for name, raw in zip(alive, self.client.hmget(self.keys.workers, alive), strict=True):
            info = None if raw is None else _readable(raw, WorkerInfo, f"worker {name.decode()}")
            if info is not None:
                found.append(info)
        return found

    def forget_workers(self, beaten_before_ms: float) -> list[str]:
        """Drop the records of workers whose beat stopped; their names."""
        gone = self.client.zrangebyscore(self.keys.beats, "-inf", beaten_before_ms)
        if gone:
            pipe = self.client.pipeline()
            pipe.hdel(self.keys.workers, *gone)
            pipe.zrem(self.keys.beats, *gone)
            pipe.execute()
        return [name.decode() for name in gone]

    # What to do

    def dispatch(self, token: str, batches: Sequence[Placed], traces: Traces) -> None:
        """Make ``batches`` known and give them to RQ, in their order, and append ``traces``: all in one step.

        Raises:
            LeadershipLost: another scheduler leads; nothing was changed.
        """
        k = self.keys
        args: list[Argument] = [token, len(batches)]
        for placed in batches:
            args += (placed.record.id, encode(placed.record), len(placed.commands))
            for command in placed.commands:
                args += (len(command), *command)
        keys = [k.leader, k.batches]
        keys += [k.doorbell(k.queue_name(placed.record.lane, placed.record.level)) for placed in batches]
        keys += self._traced(traces)
        keys += [str(command[1]) for placed in batches for command in placed.commands]
        if not call(self.client, "dispatch", keys, [*args, *_flat(traces)]):
            raise LeadershipLost("a batch was refused: another scheduler leads")

    def promote(self, token: str, batch_id: str, *, lane: str, from_level: int, to_level: int) -> bool:
        """Move a waiting batch to a more urgent queue; False where it waits no longer."""
        target = self.keys.queue_name(lane, to_level)
        keys = [
            self.keys.leader,
            rq_queue(self.keys.queue_name(lane, from_level)),
            rq_queue(target),
            RQ_JOB_PREFIX + batch_id,
            "rq:queues",
            self.keys.doorbell(target),
        ]
        return bool(call(self.client, "promote", keys, [token, batch_id, target]))

    def expire(self, token: str, job_id: str) -> None:
        """Make a job whose deadline passed final.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        k = self.keys
        event = encode_event(JobEnded(job_id, JobState.EXPIRED.value))
        keys = [k.active, k.finished, k.queued, k.changed, k.job_prefix, k.events, k.sweeps, k.leader, k.open_jobs]
        self._led("end_job", keys, [self._now, job_id, JobState.EXPIRED.value, event, token])

    def close_idle(self, token: str, idle_since_ms: float, why: str, limit: int = 100) -> list[str]:
        """Close the open jobs to which nothing was added since then; their ids. ``why`` goes into their traces.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        k = self.keys
        keys = [k.active, k.finished, k.queued, k.changed, k.job_prefix, k.events, k.open_jobs, k.leader]
        ids = [raw.decode() for raw in self.client.zrangebyscore(k.open_jobs, "-inf", idle_since_ms, 0, limit)]
        for job_id in ids:
            event = encode_event(JobClosed(job_id, why))
            self._led("close", keys, [self._now, job_id, event, token, int(idle_since_ms)])
        return ids

    def trace(self, traces: Traces) -> None:
        """Append to the traces of these jobs and note the level of each."""
        call(self.client, "trace", self._traced(traces), _flat(traces))

    def _traced(self, traces: Traces) -> list[str]:
        return [key for job_id in traces for key in (self.keys.job(job_id), self.keys.trace(job_id))]

    def publish(self, status: Mapping[str, object], standings: Mapping[str, tuple[int, float | None]]) -> None:
        """Tell the gateways how the queues stand and how far each job has to go."""
        pipe = self.client.pipeline()
        pipe.set(self.keys.status, msgspec.json.encode(status), px=5_000)
        pipe.delete(self.keys.standing)
        if standings:
            fields = {job_id: msgspec.json.encode(at) for job_id, at in list(standings.items())[:STANDINGS_MAX]}
            pipe.hset(self.keys.standing, mapping=fields)
            pipe.expire(self.keys.standing, 5)
        pipe.execute()

    def published(self) -> bytes | None:
        """What a scheduler published last, or None where none has for some seconds."""
        return cast("bytes | None", self.client.get(self.keys.status))

    # What to take back

    def reap(self, token: str, limit: int = 100) -> list[str]:
        """Take back the batches whose leases ran out; their ids.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        k = self.keys
        keys = [
            k.leader,
            k.batches,
            k.claims,
            k.computing,
            k.leases,
            k.events,
            k.job_prefix,
            RQ_JOB_PREFIX,
            RQ_WIP_PREFIX,
            RQ_FINISHED_PREFIX,
            RQ_FAILED_PREFIX,
            k.blob_prefix,
            k.active,
            k.finished,
            k.queued,
            k.changed,
            k.kept,
            k.totals,
        ]
        reply = self._led("reap", keys, [self._now, token, limit, self.keep_images_ms, LOSSES_MAX])
        return [batch_id.decode() for batch_id in cast("list[bytes]", reply)]

    def requeue(self, token: str, batch_id: str, *, lane: str, level: int) -> bool:
        """Put a batch back that is queued but in no list."""
        queue = self.keys.queue_name(lane, level)
        keys = [
            self.keys.leader,
            RQ_JOB_PREFIX + batch_id,
            rq_queue(queue),
            self.keys.doorbell(queue),
            self.keys.claims,
        ]
        return bool(call(self.client, "requeue", keys, [token, batch_id]))

    def waiting_batches(self) -> list[LiveBatch]:
        """Batches that no worker holds, in the order of their dispatch."""
        return [batch for batch in self._live_batches() if batch.worker is None]

    # Inside

    def _led(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> object:
        try:
            return call(self.client, name, keys, args)
        except ResponseError as error:
            if "LEADERSHIP" in str(error):
                raise LeadershipLost("another scheduler leads now") from error
            raise

    def _live_batches(self) -> list[LiveBatch]:
        pipe = self.client.pipeline()
        pipe.hgetall(self.keys.batches)
        pipe.hgetall(self.keys.claims)
        records, claims = pipe.execute()
        pipe = self.client.pipeline(transaction=False)
        for batch_id in records:
            pipe.hget(RQ_JOB_PREFIX + batch_id.decode(), "origin")
        batches = []
        for (batch_id, raw), origin in zip(records.items(), pipe.execute() if records else (), strict=True):
            record = _readable(raw, BatchRecord, f"batch {batch_id.decode()}")
            if record is None:
                continue
            level = record.level if origin is None else int(origin.rsplit(b":", 1)[1])
            worker = claims.get(batch_id)
            batches.append(LiveBatch(record, level, None if worker is None else worker.decode()))
        return sorted(batches, key=lambda batch: batch.record.id)

    def _active_jobs(self) -> list[ActiveJob]:
        ids = self.client.zrange(self.keys.active, 0, -1)
        jobs = []
        for start in range(0, len(ids), 500):
            pipe = self.client.pipeline(transaction=False)
            some = ids[start : start + 500]
            for job_id in some:
                pipe.hmget(self.keys.job(job_id.decode()), "submission", "total", "open")
                pipe.lrange(self.keys.order(job_id.decode()), 0, -1)
                pipe.hgetall(self.keys.losses(job_id.decode()))
            replies = pipe.execute()
            for job_id, fields, order, losses in zip(some, replies[::3], replies[1::3], replies[2::3], strict=True):
                raw, total, is_open = fields
                job = None if raw is None else _readable(raw, Submission, f"job {job_id.decode()}")
                if job is not None:
                    alone = frozenset(int(index) for index, count in losses.items() if int(count) >= LOSSES_MAX - 1)
                    settled = frozenset(map(int, order))
                    jobs.append(ActiveJob(job, settled, alone, int(total), is_open is not None))
        return jobs

    @property
    def _now(self) -> str:
        return "" if self.injected_now_ms is None else str(self.injected_now_ms)


def _readable(raw: bytes, kind: type[R], what: str) -> R | None:
    """The record; None where it is of another version, which must not keep the scheduler from all the others."""
    try:
        return decode(raw, kind)
    except BadMessage as error:
        log.error("%s is passed over: %s", what, error)
        return None


def _flat(traces: Traces) -> list[Argument]:
    flat: list[Argument] = [TRACE_ENTRIES_MAX]
    for trace in traces.values():
        flat += (trace.level, len(trace.entries), *trace.entries)
    return flat
