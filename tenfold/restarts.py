"""When a process that ended is started again. Pure: how long it lived is an argument."""

from dataclasses import dataclass
from typing import Final

DELAY_LEAST_S: Final = 0.5
DELAY_MOST_S: Final = 10.0
# A process that lived this long was working; one that ends sooner failed at its start. Long enough for a loaded
# machine, where loading torch alone may take a good part of it.
SETTLED_S: Final = 30.0
FAILURES_MAX: Final = 5
# DESIGN's status for wrong usage: the same command line and settings would end the same way.
WRONG_USAGE: Final = 2


@dataclass(slots=True)
class Restarts:
    """The memory of one process's endings.

    Delays double from `DELAY_LEAST_S` to `DELAY_MOST_S`; a process that lived `SETTLED_S` starts from the least again.
    """

    _failures: int = 0  # in a row

    def delay_after(self, lived_s: float) -> float:
        """Seconds to wait before the next start of a process that ended after `lived_s` seconds."""
        self._failures = 0 if lived_s >= SETTLED_S else self._failures + 1
        doublings = min(max(self._failures - 1, 0), 10)
        return float(min(DELAY_LEAST_S * 2**doublings, DELAY_MOST_S))

    def is_hopeless(self, status: int) -> bool:
        """Whether a process that never got the system going, and now ended with `status`, is not worth another try."""
        return status == WRONG_USAGE or self._failures >= FAILURES_MAX
