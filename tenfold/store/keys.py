"""Every key that Tenfold uses in Redis, built here and nowhere else.

``{p}`` is the prefix (``tenfold:`` unless set), ``{id}`` a job, ``{i}`` an image's index. Owners are who writes it:
g gateway, s scheduler, w worker.

=========================  =======  =====  ========================================  ==================================
key                        type     owner  lifetime                                  size
=========================  =======  =====  ========================================  ==================================
{p}leader                  string   s      3 s, renewed each second                  token of the active scheduler
{p}leader:epoch            string   s      for ever                                  a counter: one step a leadership
{p}events                  stream   g s w  until the scheduler has read the entry    one entry a submission or batch
{p}status                  string   s      5 s, renewed                              depth, ages, rates: a few KiB
{p}standing                hash     s      replaced each second                      one field an active job, <= 2 000
{p}job:{id}                hash     g s w  until final, then result_ttl_s            ~20 fields, <= 2 KiB
{p}job:{id}:items          list     g      as the job                                one name and size an image
{p}job:{id}:results        hash     g s w  as the job, or until result_bytes_max     one JSON an image
{p}job:{id}:order          list     g s w  as the job                                one index an image, as committed
{p}job:{id}:trace          list     s      as the job                                <= 256 entries
{p}job:{id}:losses         hash     s      as the job                                one field an image that lost one
{p}job:{id}:parts          hash     g      as the job                                one field a part that was added
{p}blob:{id}:{i}           string   g      until run, then keep_images_s; swept      the encoded image
{p}upload:{id}             hash     g      while the body arrives                    2 fields
{p}uploads                 zset     g s    while bodies arrive                       one member an upload in progress
{p}jobs                    zset     g s    as the jobs                               one member a job
{p}jobs:of:{client}        zset     g s    as the jobs                               one member a job of the client
{p}idem:{client}:{key}     hash     g      24 h                                      2 fields
{p}quota:{client}          hash     g      62 s                                      <= 62 fields
{p}active                  zset     g s w  until final                               one member a job not yet final
{p}open                    zset     g s    until closed, open_job_s after the last   one member an open job
{p}finished                zset     g s w  as the jobs                               one member a final job with results
{p}emptied                 zset     s      as the jobs                               one member a final job without any
{p}queued                  hash     g s w  empty when idle                           2 fields, and <= 3 a waiting client
{p}told                    string   s      1 h after the last, where spans are sent  how far ended jobs were told of
{p}totals                  hash     g s w  for ever                                  3 fields
{p}kept                    zset     s w    keep_images_s                             one member a kept image
{p}sweeps                  hash     g s    until swept                               one field an ended job
{p}batches                 hash     s w    until ended                               one record a live batch
{p}claims                  hash     s w    while a worker holds the batch            one field a claimed batch
{p}computing               hash     s w    while a worker holds the batch            one field a claimed batch
{p}leases                  zset     s w    while a worker holds the batch            one member a claimed batch
{p}workers                 hash     s w    while the worker lives                    one record a worker
{p}beats                   zset     s w    while the worker lives                    one member a worker
{p}models                  hash     w      for ever                                  one record a model ever served
{p}reloads                 hash     g      for ever                                  one request a model: the last
{p}reload:{id}             hash     w      24 h                                      one outcome a worker
{p}doorbell:{queue}        list     s w    until rung out or the queue is empty      <= 64 one-byte tokens
{p}values                  zset     g w    while there are values                    one member a value, one score
{p}value:{key}             string   g w    until deleted                             a value, <= value_bytes_max
{p}values:due              zset     g s    until due                                 one member a value to be made
{p}values:queued           zset     s w    while RQ carries them                     one member a value in RQ's queue
{p}values:run:{id}         hash     g s w  until final, then result_ttl_s            10 fields
{p}values:run:{id}:errors  list     s w    as the run                                one entry a value that failed
{p}values:workers          hash     s w    while the worker lives                    one field a values worker
{p}values:beats            zset     s w    while the worker lives                    one member a values worker
{p}values:doorbell         list     s w    until rung out                            <= 64 one-byte tokens
{p}changed                 channel  g s w  -                                         ids of jobs that moved on
=========================  =======  =====  ========================================  ==================================

RQ names its own keys (``rq:*``); the few that claim, commit and promote touch are at the end of this file, and a test
holds them against RQ's own view.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys under one prefix."""

    prefix: str = "tenfold:"

    @property
    def leader(self) -> str:
        return f"{self.prefix}leader"

    @property
    def leader_epoch(self) -> str:
        return f"{self.prefix}leader:epoch"

    @property
    def events(self) -> str:
        return f"{self.prefix}events"

    @property
    def status(self) -> str:
        return f"{self.prefix}status"

    @property
    def standing(self) -> str:
        return f"{self.prefix}standing"

    @property
    def job_prefix(self) -> str:
        """What every key of a job begins with; scripts that learn a job's id inside get this one."""
        return f"{self.prefix}job:"

    def job(self, job_id: str) -> str:
        return f"{self.job_prefix}{job_id}"

    def items(self, job_id: str) -> str:
        return f"{self.job(job_id)}:items"

    def results(self, job_id: str) -> str:
        return f"{self.job(job_id)}:results"

    def order(self, job_id: str) -> str:
        return f"{self.job(job_id)}:order"

    def trace(self, job_id: str) -> str:
        return f"{self.job(job_id)}:trace"

    def losses(self, job_id: str) -> str:
        return f"{self.job(job_id)}:losses"

    def parts(self, job_id: str) -> str:
        return f"{self.job(job_id)}:parts"

    @property
    def blob_prefix(self) -> str:
        return f"{self.prefix}blob:"

    def blob(self, job_id: str, index: int) -> str:
        return f"{self.blob_prefix}{job_id}:{index}"

    def upload(self, job_id: str) -> str:
        return f"{self.prefix}upload:{job_id}"

    @property
    def uploads(self) -> str:
        return f"{self.prefix}uploads"

    @property
    def jobs(self) -> str:
        return f"{self.prefix}jobs"

    @property
    def jobs_of_prefix(self) -> str:
        """What the key of every client's jobs begins with; scripts that learn a client's id inside get this one."""
        return f"{self.prefix}jobs:of:"

    def jobs_of(self, client: str) -> str:
        return f"{self.jobs_of_prefix}{client}"

    def idempotency(self, client: str, digest: str) -> str:
        """``digest`` stands for the route and the client's key: it is of fixed length, whatever was sent."""
        return f"{self.prefix}idem:{client}:{digest}"

    def quota(self, client: str) -> str:
        return f"{self.prefix}quota:{client}"

    @property
    def active(self) -> str:
        return f"{self.prefix}active"

    @property
    def open_jobs(self) -> str:
        return f"{self.prefix}open"

    @property
    def finished(self) -> str:
        return f"{self.prefix}finished"

    @property
    def emptied(self) -> str:
        return f"{self.prefix}emptied"

    @property
    def told(self) -> str:
        return f"{self.prefix}told"

    @property
    def queued(self) -> str:
        return f"{self.prefix}queued"

    @property
    def totals(self) -> str:
        return f"{self.prefix}totals"

    @property
    def kept(self) -> str:
        return f"{self.prefix}kept"

    @property
    def sweeps(self) -> str:
        return f"{self.prefix}sweeps"

    @property
    def batches(self) -> str:
        return f"{self.prefix}batches"

    @property
    def claims(self) -> str:
        return f"{self.prefix}claims"

    @property
    def computing(self) -> str:
        return f"{self.prefix}computing"

    @property
    def leases(self) -> str:
        return f"{self.prefix}leases"

    @property
    def workers(self) -> str:
        return f"{self.prefix}workers"

    @property
    def beats(self) -> str:
        return f"{self.prefix}beats"

    @property
    def models(self) -> str:
        return f"{self.prefix}models"

    @property
    def reloads(self) -> str:
        return f"{self.prefix}reloads"

    def reload(self, reload_id: str) -> str:
        return f"{self.prefix}reload:{reload_id}"

    @property
    def doorbell_prefix(self) -> str:
        """What every doorbell's key begins with; the name of its RQ queue follows."""
        return f"{self.prefix}doorbell:"

    def doorbell(self, queue: str) -> str:
        return f"{self.doorbell_prefix}{queue}"

    @property
    def values(self) -> str:
        return f"{self.prefix}values"

    @property
    def value_prefix(self) -> str:
        """What every value's key begins with; what follows is the text that its client chose."""
        return f"{self.prefix}value:"

    @property
    def values_due(self) -> str:
        return f"{self.prefix}values:due"

    @property
    def values_queued(self) -> str:
        return f"{self.prefix}values:queued"

    @property
    def run_prefix(self) -> str:
        """What every key of a run of values begins with; scripts that learn a run's id inside get this one."""
        return f"{self.prefix}values:run:"

    def run(self, run_id: str) -> str:
        return f"{self.run_prefix}{run_id}"

    def run_errors(self, run_id: str) -> str:
        return f"{self.run(run_id)}:errors"

    @property
    def values_workers(self) -> str:
        return f"{self.prefix}values:workers"

    @property
    def values_beats(self) -> str:
        return f"{self.prefix}values:beats"

    @property
    def values_doorbell(self) -> str:
        return f"{self.prefix}values:doorbell"

    @property
    def values_queue_name(self) -> str:
        """The RQ queue of the values, as ``rq info`` shows it."""
        return f"{self.prefix}values"

    @property
    def changed(self) -> str:
        return f"{self.prefix}changed"

    def queue_name(self, lane: str, level: int) -> str:
        """The RQ queue of one lane and level, as ``rq info`` shows it."""
        return f"{self.prefix}{lane}:{level}"


RQ_JOB_PREFIX = "rq:job:"
RQ_WORKER_PREFIX = "rq:worker:"
RQ_WIP_PREFIX = "rq:wip:"
RQ_FINISHED_PREFIX = "rq:finished:"
RQ_FAILED_PREFIX = "rq:failed:"
RQ_CANCELED_PREFIX = "rq:canceled:"


def rq_queue(queue_name: str) -> str:
    """The list that holds the ids of a queue's waiting RQ jobs."""
    return f"rq:queue:{queue_name}"
