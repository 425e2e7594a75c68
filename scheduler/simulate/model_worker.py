"""A worker of known cost: claims, runs in pieces, hands back for something more urgent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from scheduler.simulate.clock import VirtualClock
from scheduler.simulate.truth import TrueBatch, Truth
from tenfold.contract.events import BatchClaimed, BatchEnded, EndReason, WireEvent
from tenfold.contract.records import WorkerInfo

URGENT_MEMORY_MS = 10_000.0
QUIET_LOSS = 0.03
URGENT_LOSS = 0.12


@dataclass(frozen=True, slots=True)
class Device:
    """What a model worker costs.

    Attributes:
        base_ms, item_ms: a micro-batch of n items takes ``base_ms + item_ms · n``.
        claim_ms: from a claim to the start of compute.
        overlap_below_ms: batches shorter than that let the worker claim the next one while it computes.
        preemptive: whether it runs in pieces and hands back.
    """

    base_ms: float = 5.0
    item_ms: float = 20.0
    claim_ms: float = 3.0
    overlap_below_ms: float = 20.0
    preemptive: bool = True

    def cost_ms(self, images: int) -> float:
        """What a micro-batch of ``images`` takes."""
        return self.base_ms + self.item_ms * images


class Recorder(Protocol):
    """Who is told what ran."""

    def ran(self, worker: str, batch: TrueBatch, positions: list[int], start_ms: float, end_ms: float) -> None:
        """``worker`` computed ``positions`` of ``batch``."""


class ModelWorker:
    """One worker.

    Attributes:
        alive: False once it was killed: from then on it does nothing.
    """

    def __init__(
        self,
        info: WorkerInfo,
        device: Device,
        clock: VirtualClock,
        truth: Truth,
        tell: Callable[[WireEvent], None],
        recorder: Recorder,
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.info = info
        self.device = device
        self.alive = True
        self._clock, self._truth, self._tell, self._recorder, self._jitter = clock, truth, tell, recorder, jitter
        self._running: TrueBatch | None = None
        self._next: TrueBatch | None = None
        self._next_ready_ms = 0.0
        self._came_ms: dict[int, float] = {}
        self.computing: list[int] = []

    @property
    def holding(self) -> list[TrueBatch]:
        """The batches that it holds."""
        return [batch for batch in (self._running, self._next) if batch is not None]

    def look(self) -> None:
        """Something may have come: claim it, if there is room."""
        if not self.alive:
            return
        if self._running is None:
            batch = self._claim(self.info.levels)
            if batch is not None:
                self._running = batch
                self._clock.after(self.device.claim_ms, lambda: self._start(batch))
        elif self._next is None and self.device.cost_ms(len(self._running.items)) < self.device.overlap_below_ms:
            # Nothing less urgent: something urgent that comes meanwhile would have to wait for all of that.
            self._next = self._claim([level for level in self.info.levels if level <= self._running.level])
            self._next_ready_ms = self._clock.now_ms + self.device.claim_ms

    def _claim(self, levels: Sequence[int]) -> TrueBatch | None:
        batch = self._truth.claimable(self.info.lanes, levels)
        if batch is not None:
            self._truth.claim(batch, self.info.name, self._clock.now_ms)
            self._came_ms[batch.level] = self._clock.now_ms
            self._tell(BatchClaimed(batch.id, self.info.name, list(batch.dropped)))
        return batch

    def _start(self, batch: TrueBatch) -> None:
        if self.alive:
            self._run_piece(batch, self._pieces(batch), [])
            self.look()

    def _pieces(self, batch: TrueBatch) -> list[list[int]]:
        live = batch.live()
        if not live:
            return []
        count = self._piece_count(batch, len(live))
        edges = [round(piece * len(live) / count) for piece in range(count + 1)]
        return [live[a:b] for a, b in pairwise(edges)]

    def _piece_count(self, batch: TrueBatch, images: int) -> int:
        """Nothing is more urgent than level 0; below, cutting may cost more while something more urgent came lately."""
        if not self.device.preemptive or batch.level == 0:
            return 1
        since_ms = self._clock.now_ms - URGENT_MEMORY_MS
        urgent = any(level < batch.level and at_ms >= since_ms for level, at_ms in self._came_ms.items())
        budget_ms = (URGENT_LOSS if urgent else QUIET_LOSS) * self.device.cost_ms(images)
        return min(images, 1 + int(budget_ms / self.device.base_ms))

    def _run_piece(self, batch: TrueBatch, pieces: list[list[int]], ran: list[tuple[int, float]]) -> None:
        if not self.alive:
            return
        if not pieces or (ran and self._more_urgent(batch)):
            self._end(batch, pieces, ran)
            return
        piece, start_ms = pieces[0], self._clock.now_ms
        self.computing = piece
        elapsed_ms = self.device.cost_ms(len(piece)) * self._jitter()

        def ended() -> None:
            if self.alive:
                self.computing = []
                self._recorder.ran(self.info.name, batch, piece, start_ms, self._clock.now_ms)
                self._run_piece(batch, pieces[1:], [*ran, (len(piece), elapsed_ms)])

        self._clock.after(elapsed_ms, ended)

    def _more_urgent(self, batch: TrueBatch) -> bool:
        if not self.device.preemptive or batch.level == 0:
            return False
        if self._next is not None and self._next.level < batch.level:
            return True
        waiting = self._truth.claimable(self.info.lanes, self.info.levels)
        return waiting is not None and waiting.level < batch.level

    def _end(self, batch: TrueBatch, pieces: list[list[int]], ran: list[tuple[int, float]]) -> None:
        rest = {position for piece in pieces for position in piece}
        done = [position for position in batch.live() if position not in rest]
        left = self._truth.finish(batch, done, self._clock.now_ms)
        reason = EndReason.PREEMPTED if rest else EndReason.FINISHED
        self._tell(BatchEnded(batch.id, self.info.name, reason, left, ran))
        following = self._running = self._next
        self._next = None
        if following is not None:
            self._clock.at(self._next_ready_ms, lambda: self._start(following))
        else:
            self.look()
