"""What work costs lately, all in all: batches run in pieces, there is something around each, and machines change."""

from __future__ import annotations

from scheduler.core.cost import CostCurve

KEPT = 0.99
"""Weight that an image keeps with each later one: about the last hundred count."""


class Price:
    """What a lane's recent batches took beside what its cost curve says of them now: more computing, and a rest.

    So the price of full batches is right though only single images ran lately, and that of a single image after a bulk
    job, as soon as the curve knows both. It is a mean over what ran: the first image counts as any other, however slow
    a cold start made it.
    """

    __slots__ = ("_batches", "_images", "_rest_ms", "_spent_ms")

    def __init__(self) -> None:
        self._batches = self._images = self._spent_ms = self._rest_ms = 0.0

    def add(self, images: int, spent_ms: float, took_ms: float) -> None:
        """A batch of ``images``, one at least, took ``took_ms``, of which ``spent_ms`` were computing."""
        kept = KEPT**images
        self._batches = self._batches * kept + 1.0
        self._images = self._images * kept + images
        self._spent_ms = self._spent_ms * kept + spent_ms
        self._rest_ms = self._rest_ms * kept + took_ms - spent_ms

    def of_ms(self, images: int, batch_size: int, curve: CostCurve) -> float:
        """What ``images`` take one worker, in batches as full as they can be; a batch must have been added."""
        batches = -(-images // batch_size)
        by_curve_ms = curve.base_ms * self._batches + curve.item_ms * self._images
        more = self._spent_ms / by_curve_ms if by_curve_ms else 0.0
        return more * (curve.base_ms * batches + curve.item_ms * images) + self._rest_ms / self._batches * batches
