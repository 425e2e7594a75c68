"""What can go wrong between a client and the service.

ClientError
├── NotReachable     nobody answered at the address, or the line broke and did not come back
├── WaitRanOut       a job takes longer than the caller wanted to wait; it goes on
├── UnusableImage    what was given is no image that could be sent; nothing was, or what was is canceled
└── ApiError         the service refused, in its problem document's words; or something else did, in words of its own
    ├── Busy         for now: it said after how long to try again, and trying again did not help
    └── ProxyFailed  a proxy answered that it does not reach the service: NotReachable as well
"""

from typing import Any

from tenfold.contract.errors import TenfoldError


class ClientError(TenfoldError):
    """A request of ours that did not lead to an answer we can use."""


class NotReachable(ClientError):
    """Nobody answered at the address."""


class WaitRanOut(ClientError):
    """A job was not done in the time that the caller gave it; it goes on. `job_id` names it, where it is known."""

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class UnusableImage(ClientError):
    """What was given is no image that can be sent."""


class ApiError(ClientError):
    """The service refused. `status` is HTTP's, `problem` the problem document.

    Where something else answered in its place, `problem` is empty and `said` is what the error says.
    """

    def __init__(self, status: int, problem: dict[str, Any], said: str = "") -> None:
        # The title only says in HTTP's words what the detail says in ours.
        super().__init__(str(problem.get("detail") or problem.get("title") or said or f"HTTP {status}"))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable word to program against, such as `unknown_model`; empty where nothing of ours answered."""
        return str(self.problem.get("code") or "")


class ProxyFailed(ApiError, NotReachable):
    """A proxy answered at the address, and it does not reach the service."""


class Busy(ApiError):
    """The service refuses for now: too much is queued, or a part of it is missing.

    `retry_after_s` is when it said to come back.
    """

    def __init__(self, status: int, problem: dict[str, Any], retry_after_s: float, said: str = "") -> None:
        super().__init__(status, problem, said)
        self.retry_after_s = retry_after_s
