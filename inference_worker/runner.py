"""Running one batch: decode beside, compute in pieces, and ask between them whether something more urgent waits."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from inference_worker.ahead import Ahead, Blobs, Coming
from inference_worker.cost import CostCurve
from inference_worker.decoders import Decoded, Decoders, Decoding
from inference_worker.outcome import Found, to_result
from inference_worker.pieces import PiecePolicy, cut
from inference_worker.resident import Resident
from inference_worker.residents import Residents
from models.detector import DetectOptions
from tenfold.contract.errors import BadMessage
from tenfold.contract.events import BatchEnded, EndReason
from tenfold.contract.records import BatchInfo, BatchRecord, ItemResult, Timing
from tenfold.contract.records import DetectOptions as AskedOptions
from tenfold.store.worker_store import Claim

Advance = Callable[[int, int], str]
"""Asks before positions ``start`` to ``stop`` (excluded) compute: ``go``, ``yield`` or ``lost``."""


class Step(NamedTuple):
    """When one piece of a batch ran, by ``time.perf_counter``: its images were waited for, then computed."""

    images: int
    began_s: float
    detecting_s: float
    ended_s: float


@dataclass(slots=True)
class Outcome:
    """What a batch came to: the event that ends it and (job id, result) of each image that ran.

    Attributes:
        began_s, fetched_s: when it began and when its images had come, by ``time.perf_counter``.
    """

    event: BatchEnded
    results: list[tuple[str, ItemResult]]
    took_s: float
    began_s: float = 0.0
    fetched_s: float = 0.0
    steps: Sequence[Step] = ()


@dataclass(slots=True)
class _Run:
    """A batch on its way: one detector runs all of it, whatever is loaded meanwhile."""

    claim: Claim
    resident: Resident
    claimed_ms: float
    decoding: Decoding
    options: dict[str, DetectOptions]
    info: BatchInfo
    began_s: float
    fetched_s: float
    coming: Coming | None
    results: list[tuple[str, ItemResult]] = field(default_factory=list)
    pieces: list[tuple[int, float]] = field(default_factory=list)
    computed: list[tuple[int, float]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def batch(self) -> BatchRecord:
        return self.claim.batch

    def has_more_urgent_in_hand(self) -> bool:
        """What is in hand waits in no list any more, so nobody else would say so."""
        try:
            following = self.coming() if self.coming is not None else None
        except BadMessage:
            return False
        return following is not None and following.place < self.claim.place


CLAIMED_IMAGE_BYTES = 256 * 1024
"""Images of so few bytes together come along with their batch's claim; copying more would keep Redis from others."""
SHORT_MS = 20.0
"""Below this, committing and claiming one after the other would cost a batch a good part of its time (rule 9)."""
AHEAD_LEAST_MS = 3.0
"""Below this there is no time to look ahead: the guess would come no sooner than the claim."""
_SMOOTHING = 0.2


class BatchRunner:
    """Runs batches in the calling thread, which must be the process's main one (torch is half as fast in any other).

    Args:
        worker: the worker's name, as it stands in results.
        residents: the models that it holds.
        blobs: where images come from.
        stopping: whether the worker was told to stop; asked between pieces.
        ahead: guesses the next batch while a model computes that leaves cores idle; None where none does.
    """

    def __init__(
        self,
        worker: str,
        residents: Residents,
        decoders: Decoders,
        blobs: Blobs,
        stopping: Callable[[], bool],
        ahead: Ahead | None = None,
    ) -> None:
        self._worker = worker
        self._residents = residents
        self._decoders = decoders
        self._blobs = blobs
        self._stopping = stopping
        self._ahead = ahead
        self._curves: defaultdict[str, CostCurve] = defaultdict(CostCurve)
        self._took_ms: dict[str, float] = {}
        self._policy = PiecePolicy()
        for resident in residents:
            resident.tell_idle_cores(decoders.idle)

    def curve(self, lane: str) -> CostCurve:
        """The cost curve of ``lane``."""
        return self._curves[lane]

    @property
    def lanes(self) -> list[str]:
        """The lanes that it runs batches of."""
        return self._residents.lanes

    @property
    def image_bytes(self) -> int:
        """Bytes of images that may come along with the next claim: none where they were probably fetched already."""
        return 0 if self._ahead is not None and self._ahead.guesses else CLAIMED_IMAGE_BYTES

    def is_short(self, claim: Claim) -> bool:
        """Whether ``claim`` will take less than :data:`SHORT_MS`, by its number of images and the last batches.

        The model's cost alone does not say it: large images take longer to fetch and to decode.
        """
        lane = claim.batch.lane
        return max(self._took_ms.get(lane, inf), self._curves[lane].cost_ms(len(claim.positions))) < SHORT_MS

    def swap(self, resident: Resident) -> None:
        """Hold ``resident`` in place of the one of its name, between two batches; its cost is learned anew."""
        self._residents.swap(resident)
        resident.tell_idle_cores(self._decoders.idle)
        for lane in resident.lanes:
            self._curves.pop(lane, None)
            self._took_ms.pop(lane, None)
        if self._ahead is not None:
            self._ahead.forget()

    def run(self, claim: Claim, advance: Advance, claimed_ms: float, coming: Coming | None = None) -> Outcome | None:
        """Run what ``claim`` holds, or None where the lease was lost on the way: nothing may be committed then.

        Args:
            claimed_ms: when it began, on Redis' clock: what it waited in hand counts as waiting.
            coming: gives the batch that is being claimed meanwhile, if any is.

        Raises:
            DeviceLost: the process is to end; the lease then runs out.
        """
        began_s = time.perf_counter()
        self._policy.claimed(claim.place, began_s)
        batch = claim.batch
        options = {job_id: _options(share.options) for job_id, share in batch.jobs.items()}
        resident = self._residents.of(batch.model)
        info = BatchInfo(batch.id, len(claim.positions), batch.level, self._worker, resident.info.version)
        decoding = self._decoding(claim, resident)
        run = _Run(claim, resident, claimed_ms, decoding, options, info, began_s, time.perf_counter(), coming)
        try:
            return self._in_pieces(run, advance)
        finally:
            run.decoding.drop()

    def _decoding(self, claim: Claim, resident: Resident) -> Decoding:
        ahead = self._ahead.take(claim.batch.id) if self._ahead is not None else None
        if ahead is not None:
            return ahead
        positions = claim.positions
        images = claim.images
        if images is None:
            images = self._blobs(claim.batch.items[position] for position in positions)
        return self._decoders.start(dict(zip(positions, images, strict=True)), resident.detector, claim.batch.size)

    def _in_pieces(self, run: _Run, advance: Advance) -> Outcome | None:
        positions = run.claim.positions
        curve = self._curves[run.batch.lane]
        count = self._policy.count(curve, len(positions), run.claim.place, run.began_s)
        reason, left = EndReason.FINISHED, positions
        for number, piece in enumerate(cut(positions, count)):
            # Something more urgent never keeps the first piece from running: a batch would go round with nothing done.
            answer = advance(piece[0], piece[-1] + 1) if count > 1 else "go"
            if answer == "lost":
                return None
            if self._stopping():
                reason = EndReason.STOPPED
                break
            if number and (answer == "yield" or run.has_more_urgent_in_hand()):
                reason = EndReason.PREEMPTED
                break
            self._compute(run, piece)
            left = left[len(piece) :]
        self._learn(run, curve, reason)
        return self._outcome(run, reason, left)

    def _compute(self, run: _Run, piece: list[int]) -> None:
        began = time.perf_counter()
        decoded = {position: run.decoding.image(position) for position in piece}
        ready = [position for position in piece if decoded[position].prepared is not None]
        self._look_ahead(run, len(piece))
        images = [image.prepared for image in decoded.values() if image.prepared is not None]
        options = [run.options[run.batch.items[position][0]] for position in ready]
        detecting = time.perf_counter()
        found = dict(zip(ready, run.resident.careful.detect(images, options) if images else [], strict=True))
        inference_ms = _ms_since(detecting)
        if found and all(one.attempts == 1 and one.error is None for one in found.values()):
            run.computed.append((len(found), inference_ms))
        for position in piece:
            self._note(run, position, decoded[position], found.get(position), inference_ms)
        ended = time.perf_counter()
        run.pieces.append((len(piece), (ended - began) * 1000))
        run.steps.append(Step(len(piece), began, detecting, ended))

    def _look_ahead(self, run: _Run, images: int) -> None:
        # A decoder that dies of the next batch would count against this one: never where that might convict an image.
        if run.claim.marked:
            return
        resident = run.resident
        # Beside a lone image on a CPU a look would find nothing and cost it time.
        worth_it = resident.spares_cores or (resident.looks_ahead and run.claim.in_turn)
        cost_ms = self._curves[run.batch.lane].cost_ms(images)
        if self._ahead is not None and worth_it and cost_ms >= AHEAD_LEAST_MS:
            self._ahead.look(cost_ms / 1000, run.coming)

    def _note(self, run: _Run, position: int, decoded: Decoded, found: Found | None, inference_ms: float) -> None:
        job_id, index = run.batch.items[position]
        waited_ms = max(0.0, run.claimed_ms - run.batch.jobs[job_id].submitted_ms)
        timing = Timing(
            queued_ms=round(waited_ms, 3),
            decode_ms=round(decoded.took_ms, 3),
            inference_ms=round(inference_ms, 3) if found is not None else 0.0,
        )
        end = found or Found(None, decoded.error)
        run.results.append(
            (job_id, to_result(index, decoded, end, timing, run.info, run.resident.detector.spec.labels))
        )

    def _learn(self, run: _Run, curve: CostCurve, reason: EndReason) -> None:
        self._policy.ran(curve, run.computed)
        for images, took_ms in run.computed:
            curve.record(images, took_ms)
        if reason is EndReason.PREEMPTED:
            self._policy.yielded(run.claim.place, time.perf_counter())

    def _outcome(self, run: _Run, reason: EndReason, left: list[int]) -> Outcome:
        pieces = [(images, round(took_ms, 3)) for images, took_ms in run.pieces]
        event = BatchEnded(run.batch.id, self._worker, reason, left, pieces)
        took_s = time.perf_counter() - run.began_s
        if reason is EndReason.FINISHED:
            before_ms = self._took_ms.get(run.batch.lane, took_s * 1000)
            self._took_ms[run.batch.lane] = before_ms + _SMOOTHING * (took_s * 1000 - before_ms)
        return Outcome(event, run.results, took_s, run.began_s, run.fetched_s, run.steps)


def _options(asked: AskedOptions) -> DetectOptions:
    # The gateway has checked them; a detector that raised for one image's would cost its neighbours a run.
    return DetectOptions(_share(asked.conf), _share(asked.iou), max(1, asked.max_detections))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
