"""When a request is sent again, and when it is given up: decided here, waited for by the clients."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tenfold.client.calls import Call, refusal
from tenfold.client.errors import Busy, ClientError, NotReachable, WaitRanOut

FIRST_WAIT_S: Final = 0.25
_NOBODY: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_NO_ADDRESS: Final = (httpx.UnsupportedProtocol, httpx.InvalidURL)
_PROXY_FAILED: Final = 502


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is sent again, how long all its waits together may take, and each at most, seconds.

    Sent again is what the service refused for now (its `Retry-After` is obeyed), and what a broken line may have lost,
    where that can do no harm.
    """

    times: int = 4
    wait_s_max: float = 60.0
    each_s_max: float = math.inf


NONE: Final = Retries(times=0)


@dataclass(slots=True)
class Spent:
    """What is used up of some `retries`."""

    retries: Retries
    made: int = 0
    waited_s: float = 0.0

    def wait(self, wait_s: float | None, error: ClientError) -> float:
        """The wait before one attempt more, `wait_s` seconds at most; None allows none. Raises `error` for the last."""
        wait_s = None if wait_s is None else min(wait_s, self.retries.each_s_max)
        if wait_s is None or self.made >= self.retries.times or self.waited_s + wait_s > self.retries.wait_s_max:
            raise error
        self.made += 1
        self.waited_s += wait_s
        return wait_s


@dataclass(slots=True)
class Attempts:
    """The attempts at one call.

    Attributes:
        was_reached: the service has answered this client before: if nobody is there now, it may be restarting.
        when_busy: counts for what the service refuses for now, where that has a patience of its own.
    """

    url: str
    call: Call[Any]
    retries: Retries
    was_reached: bool
    when_busy: Retries | None = None
    _spent: Spent = field(init=False, repr=False)
    _spent_busy: Spent = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._spent = Spent(self.retries)
        self._spent_busy = self._spent if self.when_busy is None else Spent(self.when_busy)

    def after_error(self, error: Exception) -> float:
        """Seconds until the next attempt. Raises ClientError when there is none."""
        nobody = isinstance(error, _NOBODY)
        again = not isinstance(error, _NO_ADDRESS) and not isinstance(error, httpx.TimeoutException)
        again = again and (self.was_reached if nobody else self.call.repeatable)
        return self._spent.wait(self._backoff_s() if again else None, as_ours(error, self.url, self.call))

    def after_reply(self, reply: httpx.Response) -> float | None:
        """None where the reply is the answer, else seconds until the next attempt. Raises ApiError."""
        if not reply.is_error:
            return None
        refused = refusal(reply)
        if isinstance(refused, Busy):
            return self._spent_busy.wait(refused.retry_after_s, refused)
        failed_on_its_way = reply.status_code == _PROXY_FAILED and self.call.repeatable
        return self._spent.wait(self._backoff_s() if failed_on_its_way else None, refused)

    def _backoff_s(self) -> float:
        return FIRST_WAIT_S * float(2**self._spent.made)


def as_ours(error: Exception, url: str, call: Call[Any]) -> ClientError:
    """A failure of the line, in a sentence that says where and what to do."""
    if isinstance(error, (*_NOBODY, *_NO_ADDRESS)):
        hint = "; does it speak http rather than https?" if "WRONG_VERSION_NUMBER" in str(error) else ""
        return NotReachable(
            f"no Tenfold answers at {url} ({error}{hint}); start one with `tenfold up`, or name another with --url"
        )
    if isinstance(error, httpx.TimeoutException):
        return WaitRanOut(f"{url} did not answer {call.method} {call.path} in time")
    return NotReachable(f"the connection to {url} broke off: {type(error).__name__} {error}")
