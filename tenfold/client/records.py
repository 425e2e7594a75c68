"""Jobs and results as the service tells them."""

from typing import Any, Final

import msgspec

from tenfold.contract.records import BatchInfo, Detection, ItemError, Timing

FINAL_STATES: Final = frozenset({"succeeded", "failed", "canceled", "expired"})


class ImageCounts(msgspec.Struct, frozen=True):
    """How many images a job has, and what became of them so far."""

    total: int
    done: int = 0
    failed: int = 0

    @property
    def finished(self) -> int:
        """Those that have a result or an error."""
        return self.done + self.failed


class Added(msgspec.Struct, frozen=True):
    """Where images that were added to a job stand in it: `count` of them from the index `first` on."""

    first: int
    count: int


class ImageResult(msgspec.Struct, frozen=True):
    """What became of one image. Either `detections` or `error` is None; boxes are in the image's own pixels."""

    index: int
    name: str = ""
    width: int | None = None
    height: int | None = None
    detections: list[Detection] | None = None
    error: ItemError | None = None
    attempts: int = 1
    timing: Timing | None = None
    batch: BatchInfo | None = None


class Job(msgspec.Struct, frozen=True):
    """A job as the service tells it.

    `results` is there when it was waited for, `added` in the answer to images that were added to it.
    """

    id: str
    state: str
    images: ImageCounts
    model: str = ""
    priority: str = "normal"
    level: int | None = None
    position: int | None = None
    eta_ms: float | None = None
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: Any = None
    results: list[ImageResult] | None = None
    open: bool = False
    added: Added | None = None

    @property
    def is_final(self) -> bool:
        """Whether its state can no longer change."""
        return self.state in FINAL_STATES


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first, and where the next page begins (None at the end)."""

    jobs: list[Job]
    next_cursor: str | None = None


class ResultPage(msgspec.Struct, frozen=True):
    """Results in index order, and where the next page begins (None at the end of those there are)."""

    results: list[ImageResult]
    next_cursor: str | None = None
