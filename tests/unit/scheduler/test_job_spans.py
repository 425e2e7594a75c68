"""What is told of a job that has ended."""

from collections.abc import Sequence
from typing import cast

from msgspec.structs import replace

from scheduler.job_spans import EVENTS_MAX, JobSpans, most_telling, tell_of
from tenfold.contract.states import JobState
from tenfold.store.ended_jobs import EndedJob, EndedJobs, TraceLine
from tenfold.tracing.traceparent import Place, job_span_id
from tests.unit.scheduler.core.scene import submission
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT, Gathered, parent_of, place_of

STORY = [
    TraceLine("entered", 0, 1_010.0, detail={"images": 12}),
    TraceLine("batched", 0, 1_020.0, "b1", {"items": 10}),
    TraceLine("sank", 1, 1_500.0),
    TraceLine("aged", 0, 3_600.0, detail={"waited_ms": 2_100.0}),
]


def ended(
    state: JobState = JobState.SUCCEEDED, started_ms: float | None = 1_200.0, traceparent: str = TRACEPARENT
) -> EndedJob:
    job = replace(submission("j", count=12), submitted_ms=1_000.0, traceparent=traceparent)
    return EndedJob(job, state, 12, 11, 1, started_ms, 4_000.0, 1, STORY)


def test_a_job_is_a_span_from_its_acceptance_to_its_end() -> None:
    """It lies inside its request's span under the number that everyone knows it by, with its wait inside."""
    gathered = Gathered()
    tell_of(ended(), gathered.spans)
    job, wait = gathered.one("job"), gathered.one("wait for a worker")
    assert parent_of(job) == REQUEST
    assert place_of(job) == Place(REQUEST.trace_id, job_span_id("j")) == parent_of(wait)
    assert (job.start_time, job.end_time) == (1_000_000_000, 4_000_000_000)
    assert (wait.start_time, wait.end_time) == (1_000_000_000, 1_200_000_000)
    about = job.attributes or {}
    assert about["tenfold.job.state"] == "succeeded"
    assert (about["tenfold.job.images.done"], about["tenfold.job.images.failed"]) == (11, 1)
    assert job.status.description is None


def test_what_the_scheduler_did_with_it_are_its_events() -> None:
    """Each line of its trace is an event at its time, with what was told of it."""
    gathered = Gathered()
    tell_of(ended(), gathered.spans)
    events = gathered.one("job").events
    assert [(event.name, event.timestamp) for event in events] == [
        ("entered", 1_010_000_000),
        ("batched", 1_020_000_000),
        ("sank", 1_500_000_000),
        ("aged", 3_600_000_000),
    ]
    assert dict(events[1].attributes or {}) == {"tenfold.level": 0, "tenfold.batch.id": "b1", "tenfold.items": 10}


def test_a_job_that_failed_or_expired_is_an_error() -> None:
    """A job without a result, or whose deadline passed, is an error; one that was canceled is none."""
    gathered = Gathered()
    for state in (JobState.FAILED, JobState.EXPIRED, JobState.CANCELED):
        tell_of(ended(state), gathered.spans)
    assert [span.status.description for span in gathered.named("job")] == [
        "no image has a result",
        "its deadline passed",
        None,
    ]


def test_a_job_that_never_started_waited_to_its_end() -> None:
    """Where no worker took anything of it, all of its time is wait."""
    gathered = Gathered()
    tell_of(ended(JobState.CANCELED, started_ms=None), gathered.spans)
    assert gathered.one("wait for a worker").end_time == 4_000_000_000


class Ended:
    """Stands for what ended since the last look."""

    def __init__(self, *jobs: EndedJob) -> None:
        self.jobs = jobs

    def take(self) -> list[str]:
        return [ended.job.job_id for ended in self.jobs]

    def traced(self, _ids: Sequence[str]) -> Sequence[EndedJob]:
        return self.jobs


def test_a_job_that_cannot_be_told_of_costs_no_other() -> None:
    """What is wrong with one trace is one line in the log; the jobs taken with it are told of, and later ones too."""
    gathered = Gathered()
    broken = EndedJob(ended().job, JobState.SUCCEEDED, 1, 1, 0, None, 4_000.0, 1, [replace(STORY[0], detail=None)])
    jobs = JobSpans(cast("EndedJobs", Ended(broken, ended())), gathered.spans)
    jobs.look()
    assert len(gathered.named("job")) == 1


def test_nobody_is_told_of_a_job_that_nobody_traces() -> None:
    """A job whose request carried no sampled span has none."""
    gathered = Gathered()
    tell_of(ended(traceparent=""), gathered.spans)
    assert gathered.all() == []


def test_of_a_long_story_the_batches_go_first() -> None:
    """A story beyond what a span holds keeps every line but those of batches, which have spans of their own."""
    short = [TraceLine("batched", 0, 1.0, "b")] * EVENTS_MAX
    assert most_telling(short) == short
    assert [line.kind for line in most_telling([*STORY, *short])] == ["entered", "sank", "aged"]
