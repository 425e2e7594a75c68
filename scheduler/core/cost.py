"""What a batch costs: a line fitted to recent measurements."""

from __future__ import annotations

DECAY = 0.98
"""Weight that a measurement keeps with each later one: about the last fifty count."""

OUTLIER = 5.0
"""A measurement counts as so many times the expected at most: a pause is no price, and a slower machine is learned."""

SPREAD_LEAST = 0.05
"""Below this variance of the sizes (images²) a slope means nothing."""


class CostCurve:
    """``cost(n) = base_ms + item_ms · n``, by least squares with exponential forgetting.

    Sizes that never vary tell nothing about the slope: then the slope known last holds, or, without one, all of the
    cost counts as the items' own, which errs towards too little filling.
    """

    __slots__ = ("_n", "_nn", "_nt", "_sloped", "_t", "_weight", "base_ms", "item_ms")

    def __init__(self) -> None:
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self._sloped = False
        self.base_ms = 0.0
        self.item_ms = 0.0

    @property
    def measured(self) -> bool:
        """Whether there was any measurement."""
        return self._weight > 0.0

    def add(self, images: int, elapsed_ms: float) -> None:
        """Learn that a micro-batch of ``images`` took ``elapsed_ms``. Senseless measurements are ignored."""
        if images < 1 or not 0.0 <= elapsed_ms < 1e9:
            return
        if self._weight > 2.0:
            elapsed_ms = min(elapsed_ms, OUTLIER * self.cost_ms(images))
        self._weight = self._weight * DECAY + 1.0
        self._n = self._n * DECAY + images
        self._t = self._t * DECAY + elapsed_ms
        self._nn = self._nn * DECAY + images * images
        self._nt = self._nt * DECAY + images * elapsed_ms
        self._fit()

    def _fit(self) -> None:
        mean_n = self._n / self._weight
        mean_t = self._t / self._weight
        spread = self._nn / self._weight - mean_n * mean_n
        if spread > SPREAD_LEAST:
            self.item_ms = max(0.0, (self._nt / self._weight - mean_n * mean_t) / spread)
            self._sloped = True
        elif not self._sloped:
            self.item_ms = mean_t / mean_n
        self.item_ms = min(self.item_ms, mean_t / mean_n)
        self.base_ms = max(0.0, mean_t - self.item_ms * mean_n)

    def cost_ms(self, images: int) -> float:
        """What a micro-batch of ``images`` takes; 0 where nothing was measured."""
        return self.base_ms + self.item_ms * images

    def affordable(self, budget_ms: float, most: int) -> int:
        """How many more items, ``most`` at most, a batch takes without becoming longer by more than ``budget_ms``."""
        if not self.measured:
            return 0
        if self.item_ms * most <= budget_ms:
            return most
        return int(budget_ms / self.item_ms)
