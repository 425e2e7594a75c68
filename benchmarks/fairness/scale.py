"""How long each scene is."""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 100


@dataclass(frozen=True)
class Scale:
    """How much is sent.

    Attributes:
        singles: counted single images a side beside jobs; ``reserved_singles`` the same with a reserved worker.
        rivals: images of each rival; ``rival_rounds`` how often.
        overload_s: how long the overload lasts.
        pairs: pairs of jobs with batches in pieces and whole.
    """

    singles: int
    reserved_singles: int
    rivals: int
    rival_rounds: int
    overload_s: float
    pairs: int

    @classmethod
    def of(cls, singles: int, *, quick: bool) -> Scale:
        """``singles`` counts where it is given (0: not); the rest is the long or the quick form."""
        if quick:
            return cls(singles or 60, singles or 60, 250, 1, 25.0, 2)
        return cls(singles or 1000, min(300, singles or 300), 500, 3, 60.0, 10)


def blocks(singles: int) -> list[int]:
    """``singles`` in blocks of :data:`BLOCK`; the last may be shorter."""
    return [min(BLOCK, singles - start) for start in range(0, singles, BLOCK)]
