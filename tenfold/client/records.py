"""Jobs and results as the service tells them."""

from typing import Any, Final

import msgspec

from tenfold.client import notebook
from tenfold.contract.records import BatchInfo, Detection, ItemError, Timing
from tenfold.contract.states import FINAL_JOB_STATES

FINAL_STATES: Final = frozenset(map(str, FINAL_JOB_STATES))


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

    def __repr__(self) -> str:
        return notebook.in_a_line(self)

    def _repr_html_(self) -> str:
        title = f"{self.name}, {self.width}×{self.height}" if self.width else self.name
        rows = [(one.label, f"{one.score:.2f}", *(f"{edge:.0f}" for edge in one.box)) for one in self.detections or ()]
        if self.error is not None:
            return notebook.table(title, ("error",), [(self.error.message,)])
        return notebook.table(title, ("found", "score", "left", "top", "right", "bottom"), rows)


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

    def __repr__(self) -> str:
        return notebook.in_a_line(self)

    def _repr_html_(self) -> str:
        failed = f", {self.images.failed} failed" if self.images.failed else ""
        title = f"Job {self.id}: {self.state}, {self.images.done} of {self.images.total} images{failed}"
        rows = [
            (
                one.index,
                one.name,
                one.error.message if one.error else notebook.found(d.label for d in one.detections or ()),
            )
            for one in self.results or ()
        ]
        return notebook.table(title, ("index", "picture", "found"), rows)

    @property
    def is_final(self) -> bool:
        """Whether its state can no longer change."""
        return self.state in FINAL_STATES


class Model(msgspec.Struct, frozen=True):
    """A model that can be asked for: its classes, the input sizes that it takes, and how many workers hold it."""

    name: str
    version: str = ""
    description: str = ""
    labels: list[str] = []
    sizes: list[int] = []
    synthetic: bool = False
    default: bool = False
    workers: int = 0


class ModelPage(msgspec.Struct, frozen=True):
    """All models, by name."""

    models: list[Model]


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first, and where the next page begins (None at the end)."""

    jobs: list[Job]
    next_cursor: str | None = None


class ResultPage(msgspec.Struct, frozen=True):
    """Results in index order, and where the next page begins (None at the end of those there are)."""

    results: list[ImageResult]
    next_cursor: str | None = None
