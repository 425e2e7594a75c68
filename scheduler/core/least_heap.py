"""Clients by their virtual time: a heap that puts itself right when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from scheduler.core.jobs import Client

Entry = tuple[float, int, Client]


class LeastHeap:
    """Finds the client with the least service; O(log n) a change.

    Service mostly grows, so an entry that is too low is corrected when it comes up; only a client whose service was
    lowered must be told to :meth:`lowered`.

    Attributes:
        members: the clients, each with its entry.
    """

    __slots__ = ("_heap", "_sequence", "members")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self.members: dict[Client, Entry] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, client: Client) -> bool:
        return client in self.members

    def __iter__(self) -> Iterator[Client]:
        return iter(self.members)

    def add(self, client: Client) -> None:
        """Add ``client``. Does nothing where it is known."""
        if client not in self.members:
            self._push(client)

    def remove(self, client: Client) -> None:
        """Forget ``client``. Does nothing where it is not known."""
        self.members.pop(client, None)

    def lowered(self, client: Client) -> None:
        """``client``'s service was lowered."""
        entry = self.members.get(client)
        if entry is not None and client.service_ms < entry[0]:
            self._push(client)

    def top(self) -> Client | None:
        """The client with the least service; of equals the one that came, or was served, first."""
        heap = self._heap
        while heap:
            entry = heap[0]
            client = entry[2]
            if self.members.get(client) is not entry:
                heappop(heap)
            elif client.service_ms > entry[0]:
                heappop(heap)
                self._push(client)
                heap = self._heap
            else:
                return client
        return None

    def _push(self, client: Client) -> None:
        self._sequence += 1
        entry = (client.service_ms, self._sequence, client)
        self.members[client] = entry
        heappush(self._heap, entry)
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self.members):
            self._heap = list(self.members.values())
            heapify(self._heap)
