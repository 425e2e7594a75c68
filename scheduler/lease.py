"""Who leads: one scheduler at a time, with a token that only grows and that the store's verbs check."""

from __future__ import annotations

import time

from tenfold.contract.errors import LeadershipLost
from tenfold.store.scheduler_store import SchedulerStore

RENEW_EACH_S = 1.0


class Leadership:
    """A lease on leading. ``token`` is "" while another leads."""

    def __init__(self, store: SchedulerStore) -> None:
        self._store = store
        self._renewed_s = float("-inf")
        self.token = ""

    def take(self) -> bool:
        """Try to lead; True where this scheduler leads from now on."""
        self.token = self._store.lead("") or ""
        self._renewed_s = time.monotonic()
        return bool(self.token)

    def keep(self) -> None:
        """Renew the lease where it is due.

        Raises:
            LeadershipLost: it ran out and another has led since, or nobody leads and the old token is worth nothing.
        """
        if time.monotonic() - self._renewed_s < RENEW_EACH_S:
            return
        held = self._store.lead(self.token)
        if held != self.token:
            # Nobody led and a new token was drawn: what this scheduler knows may be old, so it starts again.
            if held is not None:
                self._store.resign(held)
            self.token = ""
            raise LeadershipLost("the lease on leading ran out")
        self._renewed_s = time.monotonic()

    def give_up(self) -> None:
        """Let a standby take over at once."""
        if self.token:
            self._store.resign(self.token)
            self.token = ""
