"""The multilevel feedback queue as a pure state machine: events and a time in, decisions out.

No clock, no I/O, no randomness: the same events at the same times give the same decisions. ``docs/scheduling.md``
explains the rules; :class:`scheduler.core.core.Core` is the way in.
"""

from scheduler.core.config import CoreConfig
from scheduler.core.core import Core

__all__ = ["Core", "CoreConfig"]
