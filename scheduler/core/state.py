"""What the core knows, and the changes to it that several events share."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappush
from math import inf

from scheduler.core.aging import Aging
from scheduler.core.batching import Batching
from scheduler.core.config import CoreConfig
from scheduler.core.decisions import ExpireJob
from scheduler.core.jobs import Batch, Job
from scheduler.core.pool import Pool
from scheduler.core.ranges import Range, Ranges
from tenfold.contract.records import Submission

ENDED_MAX = 65_536
"""Ids of ended jobs that are remembered, so that a late or doubled submission revives nothing."""


class State:
    """Everything that the core knows; the files named after events change it.

    Attributes:
        config: the core's settings.
        now_ms: the latest time that was told.
        jobs: every job that has items which are not final, or is open for more, by id.
        pools: by name.
        batching: forms batches, and takes this step's decisions.
        batches: every batch that has not ended, by id.
        aging: which job is looked at when.
        deadlines: a heap of (ms, job id); it may name jobs that are over.
        touched: the pools in which this step may let something go, by name.
        restoring: whether a restart is still telling what there is.
    """

    __slots__ = (
        "_ended",
        "aging",
        "batches",
        "batching",
        "config",
        "deadlines",
        "jobs",
        "now_ms",
        "pools",
        "restoring",
        "touched",
        "trace",
    )

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.now_ms = 0.0
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Pool] = {}
        self.batching = Batching(config)
        self.batches: dict[str, Batch] = self.batching.batches
        self.trace = self.batching.trace
        self.aging = Aging(config.boost_after_ms)
        self.deadlines: list[tuple[float, str]] = []
        self.touched: dict[str, Pool] = {}
        self.restoring = False
        self._ended: dict[str, None] = {}

    def pool(self, name: str) -> Pool:
        """The pool of this name, new where there is none; it is planned at the end of the step."""
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, self.config)
        self.touched[name] = pool
        return pool

    def is_known(self, job_id: str) -> bool:
        """Whether the job is active, or ended a while ago."""
        return job_id in self.jobs or job_id in self._ended

    def new_job(self, submission: Submission, waiting: Iterable[Range], count: int) -> Job:
        """Take in a job of ``count`` items, of which ``waiting`` wait. It stands nowhere yet."""
        pool = self.pool(submission.pool)
        client = pool.client(submission.client)
        level = self.config.entry_level(submission.priority, count)
        job = Job(submission, client, level, Ranges(waiting), self.now_ms)
        job.count = count
        self.jobs[job.id] = job
        client.jobs += 1
        if not job.urgent:
            self.aging.watch(job, self.now_ms)
        if job.deadline_ms is not None:
            heappush(self.deadlines, (job.deadline_ms, job.id))
        return job

    def settle_items(self, job: Job, items: int) -> None:
        """``items`` of ``job`` are final; with the last of them the job is over, unless it is open for more."""
        if items and job.outstanding:
            job.outstanding -= items
            if not job.outstanding and not job.open:
                self.finish(job)

    def expire(self, job: Job) -> None:
        """The deadline of ``job`` passed: say so, and drop what waits."""
        if job.id in self.jobs:
            self.batching.out.append(ExpireJob(job.id))
            self.end(job)

    def end(self, job: Job) -> None:
        """``job`` is final: what waits is dropped; what is in batches is dropped when they are claimed."""
        pool = self.pool(job.pool)
        pool.remove(job)
        job.waiting.clear()
        job.alone.clear()
        self.finish(job)

    def finish(self, job: Job) -> None:
        """``job`` has nothing left that waits: forget all but its id."""
        del self.jobs[job.id]
        job.outstanding = 0
        job.check_ms = inf
        client = job.client
        client.jobs -= 1
        if not client.jobs:
            self.pools[job.pool].time.parted(client)
        self.remember_ended(job.id)

    def remember_ended(self, job_id: str) -> None:
        """A submission of this id changes nothing any more."""
        self._ended[job_id] = None
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]
