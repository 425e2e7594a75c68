from collections.abc import Iterator

import pytest

from tenfold.client import ApiError, Busy, NotReachable, Retries, Tenfold
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service, job

FULL = {"title": "Too Many Requests", "status": 429, "code": "client_queue_full", "detail": "your share is full"}


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


def refused(retry_after: str) -> Reply:
    return Reply(FULL, 429, {"Retry-After": retry_after})


def test_a_refusal_for_now_is_sent_again_when_the_service_says(service: CannedService) -> None:
    """Retry-After is obeyed, told to whoever listens, and the same Idempotency-Key goes along each time."""
    service.reply("POST", "/v1/jobs", refused("0"), refused("0"), Reply(job("queued"), 202))
    told: list[float] = []
    with Tenfold(service.url, on_retry=lambda _why, wait_s: told.append(wait_s)) as client:
        assert client.submit(b"x").state == "queued"
    assert told == [0, 0]
    keys = [asked.headers["Idempotency-Key"] for asked in service.asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert all(b"x" in asked.body for asked in service.asked)


def test_two_submissions_have_two_keys(service: CannedService) -> None:
    """Sending the same picture twice on purpose makes two jobs."""
    service.reply("POST", "/v1/jobs", Reply(job("queued"), 202))
    with Tenfold(service.url) as client:
        client.submit(b"x")
        client.submit(b"x")
        client.submit(b"x", idempotency_key="mine")
    keys = [asked.headers["Idempotency-Key"] for asked in service.asked]
    assert keys[0] != keys[1]
    assert keys[2] == "mine"


def test_longer_than_anyone_waits_is_an_error_at_once(service: CannedService) -> None:
    """A Retry-After beyond the client's patience raises Busy, which says after how long to come back."""
    service.reply("POST", "/v1/jobs", refused("3600"))
    with Tenfold(service.url) as client, pytest.raises(Busy, match="your share is full") as busy:
        client.submit(b"x")
    assert (busy.value.retry_after_s, busy.value.status, busy.value.code) == (3600, 429, "client_queue_full")
    assert len(service.asked) == 1


def test_attempts_are_bounded(service: CannedService) -> None:
    """A service that refuses for ever is asked so many times and no more."""
    service.reply("POST", "/v1/jobs", refused("0"))
    with Tenfold(service.url, retries=Retries(times=3)) as client, pytest.raises(Busy):
        client.submit(b"x")
    assert len(service.asked) == 4


def test_what_is_wrong_is_not_sent_again(service: CannedService) -> None:
    """A refusal without Retry-After stands."""
    service.reply("POST", "/v1/jobs", Reply({"title": "Unprocessable", "code": "invalid_field"}, 422))
    with Tenfold(service.url) as client, pytest.raises(ApiError) as wrong:
        client.submit(b"x")
    assert wrong.value.code == "invalid_field"
    assert len(service.asked) == 1


def test_a_service_that_went_away_is_given_time_to_come_back() -> None:
    """A client that was answered before tries again; one that never was does not."""
    told: list[float] = []
    with canned_service() as service:
        service.reply("GET", "/v1/jobs/j1", job())
        url = service.url
        client = Tenfold(url, retries=Retries(times=1), on_retry=lambda _why, wait_s: told.append(wait_s))
        client.job("j1")
    with client, pytest.raises(NotReachable):
        client.job("j1")
    assert len(told) == 1
    with Tenfold(url, on_retry=lambda _why, wait_s: told.append(wait_s)) as other, pytest.raises(NotReachable):
        other.job("j1")
    assert len(told) == 1
