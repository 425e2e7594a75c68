"""When a process that ended is started again. Pure: the time is an argument."""

from dataclasses import dataclass, field
from typing import Final

DELAY_LEAST_S: Final = 0.5
DELAY_MOST_S: Final = 10.0
SETTLED_S: Final = 10.0
FAILURES_MAX: Final = 5
FAILURES_WITHIN_S: Final = 30.0
# DESIGN's status for wrong usage: the same command line and settings would end the same way.
WRONG_USAGE: Final = 2


@dataclass(slots=True)
class Restarts:
    """The memory of one process's endings.

    Delays double from `DELAY_LEAST_S` to `DELAY_MOST_S`; a process that lived `SETTLED_S` starts from the least again.
    """

    _delay_s: float = DELAY_LEAST_S
    _endings: list[float] = field(default_factory=list)

    def delay_after(self, ended_at: float, lived_s: float) -> float:
        """Seconds to wait before the next start of a process that ended at `ended_at` (seconds, any clock)."""
        if lived_s >= SETTLED_S:
            self._delay_s = DELAY_LEAST_S
        self._endings = [*(t for t in self._endings if t > ended_at - FAILURES_WITHIN_S), ended_at]
        delay_s, self._delay_s = self._delay_s, min(self._delay_s * 2, DELAY_MOST_S)
        return delay_s

    def is_hopeless(self, status: int) -> bool:
        """Whether a process that never got the system going, and now ended with `status`, is not worth another try."""
        return status == WRONG_USAGE or len(self._endings) >= FAILURES_MAX
