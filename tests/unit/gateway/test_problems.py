import json
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from starlette.requests import ClientDisconnect, Request

from gateway import problems
from gateway.crud.fields import InvalidField
from tenfold.contract import errors


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_refusal_of_the_contract_has_a_status_of_its_own() -> None:
    """No refusal ends as an internal error."""
    refusals = [kind for kind in subclasses(errors.RequestError) if kind.__module__ == errors.__name__]
    assert {kind for kind in refusals if kind not in problems.STATUS} == set()


def answered(error: Exception) -> tuple[int, str, str]:
    """Status, code and detail of the answer to an error."""
    request = Request({"type": "http", "method": "GET", "path": "/v1/jobs", "headers": [], "server": ("h", 80)})
    reply = problems.answer(request, error)
    told = json.loads(bytes(reply.body))
    return reply.status_code, told["code"], told["detail"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RedisConnectionError("x"), "Redis does not answer; try again"),
        (OutOfMemoryError("x"), "Redis has no memory left to take this in; try again later"),
        (ReadOnlyError("x"), "Redis takes no writes: it is a replica, or its disk fails; try again later"),
    ],
)
def test_trouble_with_redis_is_told_by_its_kind(error: Exception, said: str) -> None:
    """A Redis that refuses is not called one that does not answer."""
    assert answered(error) == (503, "store_unavailable", said)


def test_a_client_that_went_away_is_no_fault_of_the_service() -> None:
    """A body that breaks off is not counted among the internal errors."""
    status, code, _ = answered(ClientDisconnect())
    assert (status, code) == (499, "client_gone")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("x"), 422),
        (InvalidField("conf", "x"), 422),
        (errors.InvalidImage("x", code="empty_image"), 400),
        (errors.InvalidImage("x", code="too_many_pixels"), 422),
        (errors.InvalidRequest("x", code="malformed_multipart"), 400),
        (errors.ClientQueueFull("x"), 429),
        (RedisConnectionError("x"), 503),
        (ZeroDivisionError("x"), 500),
    ],
)
def test_errors_have_the_status_that_the_contract_says(error: Exception, status: int) -> None:
    """The nearest class counts, unless the code is told apart."""
    assert problems.status_of(error) == status
