"""What a worker tells of its batches."""

import logging
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace

from inference_worker.batch_spans import LOST, BatchSpans
from inference_worker.runner import Outcome, Step
from inference_worker.telling import UNTOLD
from tenfold.contract.events import BatchEnded, EndReason
from tenfold.contract.records import BatchRecord, DetectOptions, ItemError, ItemResult, JobShare, Timing
from tenfold.store.worker_store import Claim
from tenfold.tracing.spans import WithTrace
from tenfold.tracing.traceparent import Place, job_span_id
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT, Gathered, parent_of, place_of

OTHER = Place(0x1AF7651916CD43DD8448EB211C80319C, 0x17AD6B7169203331)
OTHER_TRACEPARENT = "00-1af7651916cd43dd8448eb211c80319c-17ad6b7169203331-01"
ITEMS = [("a", 0), ("a", 1), ("b", 0), ("silent", 0)]


@pytest.fixture
def gathered() -> Gathered:
    return Gathered()


@pytest.fixture
def telling(gathered: Gathered) -> Iterator[BatchSpans]:
    telling = BatchSpans(gathered.spans, "w1")
    yield telling
    telling.stop()


def claim(dropped: frozenset[int] = frozenset(), **traceparents: str) -> Claim:
    given = {"a": TRACEPARENT, "b": OTHER_TRACEPARENT, "silent": "", **traceparents}
    jobs = {job_id: JobShare(DetectOptions(), 0.0, traceparent=given[job_id]) for job_id, _ in ITEMS}
    return Claim(BatchRecord("1-1", "workers", "toy@64", "toy", 64, 1, ITEMS, jobs), dropped, 0)


def outcome(ran: int = 4, reason: EndReason = EndReason.FINISHED) -> Outcome:
    now_s = time.perf_counter()
    timing = Timing(queued_ms=5.0, decode_ms=2.0, inference_ms=7.0)
    error = ItemError("invalid_image", "no image")
    results = [
        (job_id, ItemResult(index, 1, 1, None if index else [], error if index else None, timing=timing))
        for job_id, index in ITEMS[:ran]
    ]
    steps = [Step(2, now_s, now_s + 0.01, now_s + 0.02), Step(2, now_s + 0.02, now_s + 0.02, now_s + 0.03)]
    event = BatchEnded("1-1", "w1", reason, list(range(ran, 4)))
    return Outcome(event, results, 0.03, now_s - 0.01, now_s, steps)


def run(telling: BatchSpans, held: Claim, came_to: Outcome | None, *, committed: bool = True) -> None:
    with telling.batch(held) as tale:
        if came_to is not None:
            tale.ran(came_to)
    tale.over(time.perf_counter(), committed=committed)
    telling.stop()


def test_a_batch_has_a_trace_of_its_own_with_links_to_its_jobs(gathered: Gathered, telling: BatchSpans) -> None:
    """One span for the batch, linked to the span of each traced job in it."""
    run(telling, claim(), outcome())
    batch = gathered.one("inference batch")
    assert parent_of(batch) is None
    linked = {Place(link.context.trace_id, link.context.span_id) for link in batch.links}
    assert linked == {Place(REQUEST.trace_id, job_span_id("a")), Place(OTHER.trace_id, job_span_id("b"))}
    about = batch.attributes or {}
    assert (about["tenfold.batch.id"], about["tenfold.batch.size"], about["tenfold.batch.jobs"]) == ("1-1", 4, 3)
    assert (about["tenfold.level"], about["tenfold.worker"]) == (1, "w1")
    assert (about["tenfold.batch.end"], about["tenfold.batch.handed_back"]) == ("finished", 0)


def test_each_traced_job_has_a_span_for_its_images_in_the_batch(gathered: Gathered, telling: BatchSpans) -> None:
    """It lies in the job's trace, inside the job's span, links to the batch and tells how many images ran."""
    run(telling, claim(), outcome())
    batch = place_of(gathered.one("inference batch"))
    first, second = gathered.named("images in batch")
    for span, request, job_id, images in [(first, REQUEST, "a", 2), (second, OTHER, "b", 1)]:
        assert parent_of(span) == Place(request.trace_id, job_span_id(job_id))
        assert [Place(link.context.trace_id, link.context.span_id) for link in span.links] == [batch]
        assert (span.attributes or {})["tenfold.images"] == images
    about = first.attributes or {}
    assert (about["tenfold.queued_ms"], about["tenfold.decode_ms"], about["tenfold.inference_ms"]) == (5.0, 4.0, 7.0)
    assert about["tenfold.images.failed"] == 1
    assert [(event.name, (event.attributes or {})["tenfold.error.code"]) for event in first.events] == [
        ("image failed", "invalid_image")
    ]


def test_its_phases_lie_inside_the_batch_in_their_order(gathered: Gathered, telling: BatchSpans) -> None:
    """Fetching, each piece's wait and computing, and the commit; a wait of nothing is left out."""
    run(telling, claim(), outcome())
    batch = place_of(gathered.one("inference batch"))
    phases = [span for span in gathered.all() if parent_of(span) == batch]
    assert [span.name for span in phases] == ["fetch images", "wait for decoding", "detect", "detect", "commit results"]


def test_what_was_handed_back_is_told(gathered: Gathered, telling: BatchSpans) -> None:
    """A batch that gave way tells how many images wait again, of each job too."""
    run(telling, claim(), outcome(1, EndReason.PREEMPTED))
    about = gathered.one("inference batch").attributes or {}
    assert (about["tenfold.batch.end"], about["tenfold.batch.handed_back"]) == ("preempted", 3)
    back = [(span.attributes or {})["tenfold.images.handed_back"] for span in gathered.named("images in batch")]
    assert back == [1, 1]


@pytest.mark.parametrize("came_to", [None, outcome()])
def test_a_lost_lease_is_an_error(gathered: Gathered, telling: BatchSpans, came_to: Outcome | None) -> None:
    """A batch that was not committed is an error, for each of its jobs too."""
    run(telling, claim(), came_to, committed=False)
    told = [gathered.one("inference batch"), *gathered.named("images in batch")]
    assert [span.status.description for span in told] == [LOST] * 3


def test_a_job_that_was_dropped_at_the_claim_has_no_part_in_the_batch(gathered: Gathered, telling: BatchSpans) -> None:
    """A job whose images were all canceled before the claim has no span in the batch."""
    run(telling, claim(frozenset({2})), outcome())
    assert [(span.attributes or {})["tenfold.job.id"] for span in gathered.named("images in batch")] == ["a"]


def test_nobody_is_told_of_a_batch_that_nobody_traces(gathered: Gathered, telling: BatchSpans) -> None:
    """A batch none of whose jobs is traced costs nothing and has no span."""
    untraced = claim(a="", b="")
    assert telling.batch(untraced) is UNTOLD
    run(telling, untraced, outcome())
    assert gathered.all() == []


def test_log_lines_of_a_batch_carry_its_ids(gathered: Gathered, telling: BatchSpans) -> None:
    """What is logged while a batch runs belongs to its span, and what is logged after it to none."""
    during, after = logging.makeLogRecord({}), logging.makeLogRecord({})
    with telling.batch(claim()) as tale:
        WithTrace().filter(during)
    WithTrace().filter(after)
    tale.over(time.perf_counter(), committed=True)
    telling.stop()
    assert vars(during)["span_id"] == f"{place_of(gathered.one('inference batch')).span_id:016x}"
    assert "span_id" not in vars(after)
    assert not trace.get_current_span().get_span_context().is_valid
