"""What a worker tells of its batches to whoever traces them. This tells nobody; `inference_worker.batch_spans` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from tenfold.store.worker_store import Claim

if TYPE_CHECKING:
    from inference_worker.runner import Outcome


class Tale:
    """One batch, from its claim to its end: a context in which it is run. Its commit may be known of only later."""

    def __enter__(self) -> Self:
        """The batch was claimed."""
        return self

    def __exit__(self, *_: object) -> None:
        """It runs no longer."""

    def ran(self, outcome: Outcome) -> None:
        """It ran."""

    def over(self, ended_s: float, *, committed: bool) -> None:
        """The batch is over for this worker: its results are written, or its lease was lost.

        Args:
            ended_s: when it was, by ``time.perf_counter``; when the results were sent, where another ran meanwhile.
        """


UNTOLD: Final = Tale()


class Telling:
    """Tells of nothing."""

    def batch(self, claim: Claim) -> Tale:  # noqa: ARG002 - nothing is told
        """A batch that was just claimed."""
        return UNTOLD

    def stop(self) -> None:
        """Send what is left."""


UNTRACED: Final = Telling()
