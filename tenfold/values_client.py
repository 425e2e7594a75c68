"""Values as the commands use them: runs of value-generation jobs, and what they stored."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from tenfold.client import Tenfold, WaitRanOut
from tenfold.contract.records import ValueFailure

WATCH_EVERY_S: Final = 0.25


class Run(msgspec.Struct, frozen=True):
    """A run as the service tells it."""

    id: str
    state: str
    requested: int
    stored: int = 0
    late: int = 0
    failed: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    errors: list[ValueFailure] = []

    @property
    def is_final(self) -> bool:
        """Whether every value was stored or failed."""
        return self.state != "running"


class Total(msgspec.Struct, frozen=True):
    """How many values there are."""

    count: int


class Sample(msgspec.Struct, frozen=True):
    """Some values."""

    count: int
    data: dict[str, str]


class DeletedAtRandom(msgspec.Struct, frozen=True):
    """How many values were to be deleted, and how many were."""

    requested: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a running Tenfold. Every method raises ClientError."""

    client: Tenfold

    def generate(self, count: int, within_s: float) -> Run:
        """Begin a run and return at once."""
        return self.client.call("POST", "/v1/values/generate", Run, json={"count": count, "within_s": within_s})

    def run(self, run_id: str) -> Run:
        """One run as it is now."""
        return self.client.call("GET", f"/v1/values/runs/{quote(run_id, safe='')}", Run)

    def watch(self, run: Run, *, timeout_s: float | None = None) -> Iterator[Run]:
        """The run again and again until it is final. Raises WaitRanOut after `timeout_s`."""
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            run = self.run(run.id)
            yield run
            if run.is_final:
                return
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise WaitRanOut(f"run {run.id} has {run.stored} of {run.requested} values and goes on")
            time.sleep(WATCH_EVERY_S)

    def total(self) -> Total:
        """How many values there are."""
        return self.client.call("GET", "/v1/values/total", Total)

    def sample(self, count: int) -> Sample:
        """Up to `count` values at random."""
        return self.client.call("GET", "/v1/values", Sample, count=count)

    def delete_random(self) -> DeletedAtRandom:
        """Delete a random 0 to 10 of them."""
        return self.client.call("DELETE", "/v1/values/random", DeletedAtRandom)
