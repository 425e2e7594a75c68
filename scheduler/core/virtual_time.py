"""Who was given how much: virtual time over the clients of a pool."""

from __future__ import annotations

from heapq import heappop, heappush

from scheduler.core.jobs import Client
from scheduler.core.least_heap import LeastHeap

REMEMBERED_MAX = 10_000
"""Clients without jobs whose lead is remembered; beyond, those with the smallest lead are forgotten."""


class VirtualTime:
    """The least service among active clients, and the memory of those that left with a lead.

    A client that becomes active is raised to the least among the active (or, where nobody is, to the most that anybody
    was given), so that idle time is not banked.

    Attributes:
        clients: every client with jobs, or with a lead that is remembered.
    """

    __slots__ = ("_low", "_most_ms", "_normal", "_remembered", "_sequence", "clients")

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self._normal = LeastHeap()
        self._low = LeastHeap()
        self._remembered: list[tuple[float, int, Client]] = []
        self._sequence = 0
        self._most_ms = 0.0

    def least_ms(self) -> float | None:
        """The service of the least-served client with waiting work that is not low."""
        client = self._normal.top()
        return None if client is None else client.service_ms

    def ahead_ms(self, client: Client) -> float:
        """How far ``client`` is ahead of the least-served one with waiting work that is not low."""
        least = self._normal.top()
        return 0.0 if least is None else client.service_ms - least.service_ms

    def waits(self, client: Client, items: int, *, low: bool, again: bool = False) -> None:
        """``items`` more of ``client`` wait; those that wait ``again`` raise nothing, they were never idle."""
        if low:
            if not client.items and not again:
                self._raise(client, self._least_of_all_ms())
            self._low.add(client)
        else:
            if not client.normal_items:
                if not again:
                    least = self.least_ms()
                    self._raise(client, self._least_of_all_ms() if least is None else least)
                self._normal.add(client)
            client.normal_items += items
        client.items += items

    def taken(self, client: Client, items: int, *, low: bool) -> None:
        """``items`` of ``client`` wait no longer."""
        client.items -= items
        if not low:
            client.normal_items -= items
        if not client.normal_items:
            self._normal.remove(client)
        if client.items == client.normal_items:
            self._low.remove(client)

    def _least_of_all_ms(self) -> float:
        normal, low = self._normal.top(), self._low.top()
        if normal is None and low is None:
            return self._most_ms
        return min(client.service_ms for client in (normal, low) if client is not None)

    def _raise(self, client: Client, least_ms: float) -> None:
        client.service_ms = max(client.service_ms, least_ms)

    def charge(self, client: Client, service_ms: float) -> None:
        """Add to what ``client`` was given; less than nothing takes back."""
        client.service_ms += service_ms
        if service_ms < 0.0:
            self._normal.lowered(client)
            self._low.lowered(client)
        elif client.service_ms > self._most_ms:
            self._most_ms = client.service_ms

    def parted(self, client: Client) -> None:
        """``client`` has no more jobs: it is forgotten once the others have caught up."""
        self._sequence += 1
        remembered = self._remembered
        heappush(remembered, (client.service_ms, self._sequence, client))
        least = self.least_ms()
        floor = self._most_ms if least is None else least
        while remembered and (remembered[0][0] <= floor or len(remembered) > REMEMBERED_MAX):
            gone = heappop(remembered)[2]
            if not gone.jobs and self.clients.get(gone.name) is gone:
                del self.clients[gone.name]
