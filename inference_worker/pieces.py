"""Into how many micro-batches a batch is cut (rule 10): many where the urgent would wait, few enough to be cheap."""

from __future__ import annotations

from math import floor

from inference_worker.cost import CostCurve

QUIET_SHARE = 0.03
"""The part of a batch's time that cutting it may cost while nothing more urgent comes."""
URGENT_SHARE = 0.12
"""The same while something more urgent came lately, all losses together."""
URGENT_MEMORY_S = 10.0
_SMOOTHING = 0.2


class PiecePolicy:
    """Decides the number of pieces and remembers what it needs for that. Times are seconds on any one clock."""

    def __init__(self) -> None:
        self._came_at: dict[int, float] = {}
        self._loss = 0.0

    def claimed(self, place: int, now_s: float) -> None:
        """A batch of the worker's ``place``-th level was claimed."""
        self._came_at[place] = now_s

    def yielded(self, place: int, now_s: float) -> None:
        """A batch of that level gave way to something more urgent."""
        self._came_at[max(0, place - 1)] = now_s

    def ran(self, curve: CostCurve, pieces: list[tuple[int, float]]) -> None:
        """A batch ran in ``pieces`` of (images, ms). What exceeds the planned cost of cutting is a loss."""
        whole_ms = curve.cost_ms(sum(images for images, _ in pieces))
        if len(pieces) < 2 or whole_ms <= 0:
            return
        beyond_ms = sum(ms for _, ms in pieces) - whole_ms - (len(pieces) - 1) * curve.base_ms
        loss = min(1.0, max(0.0, beyond_ms / whole_ms))
        self._loss += _SMOOTHING * (loss - self._loss)

    def share(self, place: int, now_s: float) -> float:
        """The part of its time that cutting a batch of this level may cost now."""
        urgent = any(level < place and now_s - at <= URGENT_MEMORY_S for level, at in self._came_at.items())
        return max(QUIET_SHARE, URGENT_SHARE - self._loss) if urgent else QUIET_SHARE

    def count(self, curve: CostCurve, images: int, place: int, now_s: float) -> int:
        """Pieces for a batch of ``images``: one at the first level, to which nothing is more urgent."""
        cost_ms, base_ms = curve.cost_ms(images), curve.base_ms
        if place == 0 or images < 2 or cost_ms <= 0:
            return 1
        if base_ms <= cost_ms * self.share(place, now_s) / images:
            return images
        return min(images, 1 + floor(self.share(place, now_s) * cost_ms / base_ms))


def cut(positions: list[int], count: int) -> list[list[int]]:
    """``positions`` in ``count`` runs of equal length, or one apart."""
    length, longer = divmod(len(positions), count)
    ends = [(i + 1) * length + min(i + 1, longer) for i in range(count)]
    return [positions[start:end] for start, end in zip([0, *ends], ends, strict=False)]
