"""The last level: the client with the least service so far goes first."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.core.jobs import Client, Job
from scheduler.core.least_heap import LeastHeap


class LeastServed:
    """Clients with jobs at the last level, and those held down to it, by their virtual time.

    Attributes:
        items: waiting items that can be served here, for each lane.
    """

    __slots__ = ("_lanes", "items")

    def __init__(self) -> None:
        self._lanes: dict[str, LeastHeap] = {}
        self.items: dict[str, int] = {}

    def __len__(self) -> int:
        if len(self._lanes) == 1:
            return len(next(iter(self._lanes.values())))
        return len({client for clients in self._lanes.values() for client in clients})

    def __contains__(self, place: tuple[Client, str]) -> bool:
        client, lane = place
        return client in self._lanes.get(lane, ())

    def clients(self, lane: str) -> Iterator[Client]:
        """The clients with jobs in ``lane``, in no order."""
        return iter(self._lanes.get(lane, ()))

    def lanes(self) -> list[str]:
        """The lanes with jobs; first that of the job whose client's turn it is."""
        lanes = [lane for lane, clients in self._lanes.items() if clients.members]
        if len(lanes) > 1:
            lanes.sort(key=self._turn)
        return lanes

    def _turn(self, lane: str) -> tuple[float, int]:
        job = self.first(lane)
        return (job.client.service_ms, job.stamp) if job else (0.0, 0)

    def join(self, client: Client, lane: str) -> None:
        """``client`` has jobs in ``lane`` now. Does nothing where it is known."""
        clients = self._lanes.get(lane)
        if clients is None:
            clients = self._lanes[lane] = LeastHeap()
        clients.add(client)

    def leave(self, client: Client, lane: str) -> None:
        """``client`` has no more jobs in ``lane``. Does nothing where it had none."""
        clients = self._lanes.get(lane)
        if clients is not None:
            clients.remove(client)

    def lowered(self, client: Client) -> None:
        """Its virtual time was lowered."""
        for clients in self._lanes.values():
            clients.lowered(client)

    def first(self, lane: str) -> Job | None:
        """The job in ``lane`` that is served next: a held client's in the order of their levels."""
        clients = self._lanes.get(lane)
        client = clients.top() if clients else None
        return None if client is None else self.job_of(client, lane)

    @staticmethod
    def job_of(client: Client, lane: str) -> Job | None:
        """The first of ``client``'s jobs in ``lane`` that the last level serves."""
        for seat in client.seats if client.held else client.seats[-1:]:
            queue = seat.queues.get(lane)
            if queue is not None and queue.plain:
                return queue.first_plain()
        return None
