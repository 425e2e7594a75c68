"""What RQ's own classes and commands see of our workers and batches. Claim and commit write RQ's layout by hand: these
tests fail when an RQ release changes it.
"""

import subprocess
import sys
from collections.abc import Callable

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Callback, Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.version import VERSION
from rq.worker import BaseWorker, Worker, WorkerStatus

from inference_worker.job import BatchJob, JobRefused
from tenfold.store.keys import (
    RQ_FAILED_PREFIX,
    RQ_FINISHED_PREFIX,
    RQ_JOB_PREFIX,
    RQ_WIP_PREFIX,
    RQ_WORKER_PREFIX,
    rq_queue,
)
from tests.integration.inference_worker.colleague import Colleague
from tests.integration.inference_worker.dispatching import Desk
from tests.unit.inference_worker.toy import picture

Hire = Callable[..., Colleague]


def the_queue(desk: Desk, level: int = 0) -> Queue:
    return Queue(desk.queue(level), connection=desk.client, serializer=JSONSerializer)


def the_job(desk: Desk, batch: str) -> Job:
    return Job.fetch(batch, connection=desk.client, serializer=JSONSerializer)


def the_worker(desk: Desk) -> BaseWorker:
    (worker,) = Worker.all(connection=desk.client, serializer=JSONSerializer)
    return worker


def rq_info(desk: Desk) -> str:
    command = [sys.executable, "-m", "rq.cli", "info", "--raw", "-u", desk.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_rq_is_the_line_that_we_know() -> None:
    """RQ is pinned to the minor line whose layout the scripts write."""
    assert VERSION.startswith("2.12.")


def test_key_names(redis: Redis) -> None:
    """The keys that our scripts build are those that RQ's classes use."""
    queue = Queue("q", connection=redis)
    assert queue.key == rq_queue("q")
    assert Queue.redis_queues_keys == "rq:queues"
    assert Job.key_for("1") == f"{RQ_JOB_PREFIX}1"
    assert StartedJobRegistry(queue=queue).key == f"{RQ_WIP_PREFIX}q"
    assert FinishedJobRegistry(queue=queue).key == f"{RQ_FINISHED_PREFIX}q"
    assert FailedJobRegistry(queue=queue).key == f"{RQ_FAILED_PREFIX}q"
    assert Worker.redis_worker_namespace_prefix == RQ_WORKER_PREFIX


def test_member_and_status_words(redis: Redis) -> None:
    """The started registry's members are `job:execution`, and statuses are the words that the scripts write."""
    execution = Execution(id="e", job_id="j", connection=redis)
    assert execution.composite_key == "j:e"
    assert [JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELED] == [
        "queued",
        "started",
        "finished",
        "failed",
        "canceled",
    ]
    assert (WorkerStatus.BUSY, WorkerStatus.IDLE) == ("busy", "idle")


def test_worker_fields(desk: Desk, hire: Hire) -> None:
    """The worker's hash has the fields that claim, commit and beat write."""
    worker = hire()
    desk.submit("a", [picture()])
    desk.dispatch_job("a")
    worker.work()
    fields = {name.decode() for name in desk.client.hkeys(f"{RQ_WORKER_PREFIX}w1")}
    assert {"state", "last_heartbeat", "successful_job_count", "total_working_time", "queues", "pid", "birth"} <= fields
    seen = the_worker(desk)
    assert seen.successful_job_count == 1
    assert seen.total_working_time > 0
    assert seen.last_heartbeat is not None


def test_waiting(desk: Desk) -> None:
    """A dispatched batch is a queued job of its level's queue."""
    desk.submit("a", [picture()] * 2)
    batch = desk.dispatch(("a", 0), ("a", 1), level=1)
    assert the_queue(desk, 1).job_ids == [batch]
    job = the_job(desk, batch)
    assert job.get_status() == JobStatus.QUEUED
    assert (job.func_name, job.args) == ("inference_worker.batch.run", [batch])


def test_running(desk: Desk, hire: Hire) -> None:
    """While it computes, the job is started, the registry holds it, and its worker is busy with it."""
    worker = hire()
    seen: list[object] = []

    def look(_run: int) -> None:
        job = the_job(desk, batch)
        seen.extend([job.get_status(), job.worker_name, job.started_at is not None])
        seen.append(StartedJobRegistry(queue=the_queue(desk)).get_job_ids())
        busy = the_worker(desk)
        seen.extend([busy.get_state(), busy.get_current_job_id(), "busy" in rq_info(desk)])

    worker.toy.before = look
    desk.submit("a", [picture()])
    batch = desk.dispatch(("a", 0))
    worker.work()
    assert seen == [JobStatus.STARTED, "w1", True, [batch], "busy", batch, True]


def test_done(desk: Desk, hire: Hire) -> None:
    """Afterwards the job is finished, in the finished registry alone, with a lifetime, and the worker is idle."""
    worker = hire()
    desk.submit("a", [picture()])
    batch = desk.dispatch(("a", 0))
    worker.work()
    queue = the_queue(desk)
    job = the_job(desk, batch)
    assert job.get_status() == JobStatus.FINISHED
    assert job.ended_at is not None
    assert 0 < desk.client.ttl(Job.key_for(batch)) <= 60
    assert FinishedJobRegistry(queue=queue).get_job_ids() == [batch]
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert FailedJobRegistry(queue=queue).get_job_ids() == []
    assert queue.job_ids == []
    idle = the_worker(desk)
    assert (idle.get_state(), idle.get_current_job_id()) == ("idle", None)


def test_rq_info_leaves_running_batches_alone(desk: Desk, hire: Hire) -> None:
    """`rq info` runs RQ's clean-up; a batch that computes survives it and is committed."""
    worker = hire()
    worker.toy.before = lambda _: rq_info(desk)
    desk.submit("a", [picture()])
    desk.dispatch(("a", 0))
    worker.work()
    assert desk.state("a") == "succeeded"


def test_rq_info(desk: Desk, hire: Hire) -> None:
    """`rq info` shows queues with what waits, and workers with their queues in the order of their levels."""
    hire(levels=(0, 2))
    desk.submit("a", [picture()] * 2)
    desk.dispatch(("a", 0))
    desk.dispatch(("a", 1), level=1)
    text = rq_info(desk)
    assert f"queue {desk.queue(0)} 1" in text
    assert f"queue {desk.queue(1)} 1" in text
    assert f"idle {desk.queue(0)}, {desk.queue(2)}." in text


def test_all_queues_show_from_the_start(desk: Desk, hire: Hire) -> None:
    """Queues of every level that a worker serves are listed before anything was dispatched; dead workers are not."""
    desk.client.sadd(f"rq:workers:{desk.queue(1)}", "rq:worker:killed")
    hire()
    text = rq_info(desk)
    assert all(f"queue {desk.queue(level)} 0" in text for level in range(3))
    assert desk.client.smembers(f"rq:workers:{desk.queue(1)}") == {b"rq:worker:w1"}


def test_leaving(desk: Desk, hire: Hire) -> None:
    """A worker that left is in RQ's lists no more."""
    worker = hire()
    worker.worker.leave()
    assert Worker.all(connection=desk.client) == []
    assert desk.client.hgetall(desk.keys.workers) == {}


def test_announced_again(desk: Desk, hire: Hire) -> None:
    """When Redis came back empty, the next beat makes the worker known again, to RQ too."""
    worker = hire()
    desk.client.flushall()
    worker.worker.pulse([])
    assert the_worker(desk).get_state() == "idle"
    assert desk.client.hkeys(desk.keys.workers) == [b"w1"]
    assert desk.client.hkeys(desk.keys.models) == [b"toy"]


def test_a_stock_worker_runs_nothing(desk: Desk) -> None:
    """Whatever a job's hash names, our job class performs nothing and calls nothing back."""
    queue = Queue("evil", connection=desk.client, serializer=JSONSerializer, job_class=BatchJob)
    job = queue.enqueue("os.system", "true", on_success=Callback("os.getcwd"), on_failure=Callback("os.getcwd"))
    again = BatchJob.fetch(job.id, connection=desk.client, serializer=JSONSerializer)
    with pytest.raises(JobRefused, match=r"os\.system"):
        again.perform()
    assert (again.success_callback, again.failure_callback, again.stopped_callback) == (None, None, None)


def test_the_worker_executes_no_job_by_name(desk: Desk, hire: Hire) -> None:
    """RQ's way of handing a job to a worker is refused."""
    worker = hire()
    desk.submit("a", [picture()])
    job = the_job(desk, desk.dispatch(("a", 0)))
    with pytest.raises(JobRefused):
        worker.worker.execute_job(job, the_queue(desk))
