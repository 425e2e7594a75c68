import pytest

from tenfold.tracing.traceparent import job_span_id, read, write
from tests.unit.tenfold.tracing.gathered import REQUEST, TRACEPARENT


def test_a_place_is_written_as_w3c_has_it() -> None:
    """What is written is what is read."""
    assert write(REQUEST) == TRACEPARENT
    assert read(TRACEPARENT) == REQUEST


@pytest.mark.parametrize("text", ["", "00-1-2-01", TRACEPARENT[:-2] + "00", TRACEPARENT + "x", "nonsense"])
def test_what_names_no_sampled_span_is_none(text: str) -> None:
    """Neither nonsense nor a span that is not sampled is a place."""
    assert read(text) is None


def test_a_jobs_span_follows_from_its_id() -> None:
    """Whoever knows a job knows the number of its span, and no two jobs share one."""
    ids = [f"{number:032x}" for number in range(1000)]
    numbers = {job_span_id(job_id) for job_id in ids}
    assert len(numbers) == 1000
    assert all(0 < number < 2**64 for number in numbers)
    assert job_span_id(ids[7]) == job_span_id(ids[7])
