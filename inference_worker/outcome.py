"""From what a detector and the decoders say to the results that are committed."""

from __future__ import annotations

from dataclasses import dataclass

from inference_worker.decoders import Decoded
from models.detector import Detections
from tenfold.contract.records import BatchInfo, Detection, ItemError, ItemResult, Timing


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one image: either ``detections`` or ``error`` is None. ``attempts`` counts its runs."""

    detections: Detections | None
    error: ItemError | None
    attempts: int = 1


def to_result(
    index: int, decoded: Decoded, found: Found, timing: Timing, batch: BatchInfo, labels: tuple[str, ...]
) -> ItemResult:
    """The result of image ``index`` of its job."""
    return ItemResult(
        index=index,
        width=decoded.width,
        height=decoded.height,
        detections=None if found.detections is None else to_records(found.detections, labels),
        error=found.error,
        attempts=found.attempts,
        timing=timing,
        batch=batch,
    )


def to_records(found: Detections, labels: tuple[str, ...]) -> list[Detection]:
    """The objects as records, rounded to what is meaningful: a hundredth of a pixel, a ten-thousandth of a score."""
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True)
    return [
        Detection((round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2)), round(score, 4), class_id, labels[class_id])
        for (x1, y1, x2, y2), score, class_id in rows
    ]
