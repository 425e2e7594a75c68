"""Who was served when, read from the results themselves: no clock of ours is needed, and none is trusted.

A result tells the batch that its image ran in, how long the image had waited when that batch began, and what its
micro-batch took. A job's creation plus that wait is here called the claim: they are one where a worker has nothing in
hand beside, as with the scenes' model, whose batches are long. Micro-batches run one after the other from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Span = tuple[float, float]
"""Begin and end, ms since the epoch on Redis' clock."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image that ran: whose it was, when it came, when the batch was claimed in which it ran."""

    client: str
    job: str
    index: int
    came_ms: float
    claimed_ms: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A micro-batch: ``images`` that one worker computed together."""

    start_ms: float
    end_ms: float
    images: tuple[Image, ...]

    @property
    def spent_ms(self) -> float:
        """Worker milliseconds."""
        return self.end_ms - self.start_ms

    def given(self, client: str, within: Span) -> float:
        """Worker milliseconds that ``client`` got of it in that time; images of a piece share it evenly."""
        overlap = min(self.end_ms, within[1]) - max(self.start_ms, within[0])
        share = sum(image.client == client for image in self.images) / len(self.images)
        return max(0.0, overlap) * share


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as far as it ran; ``pieces`` are in order."""

    id: str
    worker: str
    level: int
    claimed_ms: float
    pieces: tuple[Piece, ...]

    @property
    def end_ms(self) -> float:
        """When its last micro-batch ended."""
        return self.pieces[-1].end_ms

    @property
    def images(self) -> list[Image]:
        """All that ran in it."""
        return [image for piece in self.pieces for image in piece.images]


@dataclass
class Records:
    """Collects answers, and says what they tell together."""

    _found: dict[str, list[tuple[Image, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, client: str, job: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> None:
        """Take the results of a job of ``client``. Images that did not run tell nothing."""
        came_ms = epoch_ms(job["created_at"])
        for result in results:
            if result["batch"] is not None and result["timing"] is not None:
                claimed_ms = came_ms + result["timing"]["queued_ms"]
                image = Image(client, job["id"], result["index"], came_ms, claimed_ms)
                self._found[result["batch"]["id"]].append((image, dict(result)))

    def batches(self) -> list[Batch]:
        """Every batch, in the order of the claims."""
        return sorted((_batch(ran) for ran in self._found.values()), key=lambda batch: (batch.claimed_ms, batch.id))


def _batch(ran: Sequence[tuple[Image, dict[str, Any]]]) -> Batch:
    about = ran[0][1]["batch"]
    # Jobs' creation is told to a millisecond: the claim is known that well.
    claimed_ms = min(image.claimed_ms for image, _ in ran)
    together: dict[float, list[Image]] = defaultdict(list)
    for image, result in ran:
        together[result["timing"]["inference_ms"]].append(image)
    pieces, start_ms = [], claimed_ms
    for spent_ms, images in sorted(together.items(), key=lambda item: min(image.index for image in item[1])):
        pieces.append(Piece(start_ms, start_ms + spent_ms, tuple(images)))
        start_ms += spent_ms
    return Batch(about["id"], about["worker"], about["level"], claimed_ms, tuple(pieces))


def waiting_spans(batches: Iterable[Batch], client: str) -> list[Span]:
    """The times in which ``client`` had an image that no worker had claimed, in order and apart."""
    waits = sorted((i.came_ms, i.claimed_ms) for batch in batches for i in batch.images if i.client == client)
    spans: list[Span] = []
    for start_ms, end_ms in waits:
        if spans and start_ms <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end_ms)
        else:
            spans.append((start_ms, end_ms))
    return spans


def both(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """The times that lie in spans of both."""
    met = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return [(start_ms, end_ms) for start_ms, end_ms in met if start_ms < end_ms]


def windows(spans: Iterable[Span], length_ms: float, step_ms: float) -> Iterator[Span]:
    """Every window of that length inside one of ``spans``, a step apart."""
    for start_ms, end_ms in spans:
        for number in range(int((end_ms - start_ms - length_ms) // step_ms) + 1):
            yield start_ms + number * step_ms, start_ms + number * step_ms + length_ms


def share(batches: Iterable[Batch], client: str, rivals: Sequence[str], within: Span) -> float:
    """The part of the service given to ``rivals`` (``client`` among them) that ``client`` got in that time."""
    pieces = [piece for batch in batches for piece in batch.pieces if piece.end_ms > within[0]]
    given = {name: sum(piece.given(name, within) for piece in pieces) for name in rivals}
    total = sum(given.values())
    return given[client] / total if total else 0.0


def epoch_ms(text: str) -> float:
    """A time of the API as milliseconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() * 1000
