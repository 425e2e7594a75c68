"""Batches as RQ jobs: stock tools can read them, and nothing in them can be made to run.

The worker takes a batch's record by its id from a script of its own and never reads the call that RQ's job names. What
a stock code path would do with such a job (import a name found in Redis, call back, post to a webhook) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from rq.job import Job

FUNCTIONS = frozenset({"inference_worker.batch.run", "inference_worker.values.store"})
"""The names that our jobs may carry. Workers run what they claim; the name says what that is in RQ's tools."""


class JobRefused(Exception):
    """Somebody tried to run a job by the name in its hash."""


class BatchJob(Job):
    """An RQ job that describes a batch. It can be looked at and never performed."""

    @property
    def func(self) -> Callable[..., NoReturn]:
        """What ``perform`` would call: it raises JobRefused."""
        return self._refuse

    @property
    def success_callback(self) -> None:
        """None, whatever the hash names."""

    @property
    def failure_callback(self) -> None:
        """None, whatever the hash names."""

    @property
    def stopped_callback(self) -> None:
        """None, whatever the hash names."""

    def restore(self, raw_data: Any) -> None:
        """Read the job's hash, without its webhooks."""
        super().restore(raw_data)
        self.webhooks = []

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        known = "a batch is run by claim alone" if self.func_name in FUNCTIONS else "it is no function of ours"
        raise JobRefused(f"job {self.id} names {self.func_name!r}: {known}")
