"""Who was given how much: virtual time over the clients of a pool."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from scheduler.core.jobs import Client
from scheduler.core.least_heap import LeastHeap

Realm = frozenset[str]
"""Lanes that workers link."""

REMEMBERED_MAX = 10_000
"""Clients without jobs whose lead is remembered; beyond, those with the smallest lead are forgotten."""


class VirtualTime:
    """The least service among active clients, and the memory of those that left with a lead.

    A client that becomes active is raised to the least among the active (or, where nobody is, to the most that anybody
    was given), so that idle time is not banked.

    Lanes that no worker links, however indirectly, are realms of their own: who waits in another one would gain
    nothing by a client's being held down. Service counts over all of them. As long as all that waits is of one realm,
    nothing is kept by realm.

    Attributes:
        clients: every client with jobs, or with a lead that is remembered.
    """

    __slots__ = (
        "_apart",
        "_low",
        "_most_ms",
        "_normal",
        "_realm_of",
        "_remembered",
        "_sequence",
        "_sole",
        "clients",
    )

    def __init__(self, realm_of: Callable[[str], Realm]) -> None:
        self.clients: dict[str, Client] = {}
        self._realm_of = realm_of
        self._sole: Realm = frozenset()
        self._apart: dict[Realm, LeastHeap] | None = None
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
        """How far ``client`` is ahead of the least-served one with waiting work that is not low in its realms."""
        if self._apart is not None:
            return self._ahead_apart_ms(client, self._apart)
        least = self._normal.top()
        return 0.0 if least is None else client.service_ms - least.service_ms

    def _ahead_apart_ms(self, client: Client, apart: dict[Realm, LeastHeap]) -> float:
        tops = [apart[realm].top() for realm in {self._realm_of(lane) for lane in client.waiting}]
        least = min((top.service_ms for top in tops if top is not None), default=client.service_ms)
        return client.service_ms - least

    @property
    def several_realms(self) -> bool:
        """Whether what waits is of more than one realm."""
        return self._apart is not None

    def realms_changed(self) -> None:
        """Workers came or went: lanes may be linked otherwise than before."""
        realms = {self._realm_of(lane) for client in self.clients.values() for lane in client.waiting}
        self._apart = None
        self._sole = frozenset()
        if len(realms) == 1:
            (self._sole,) = realms
        elif realms:
            self._tell_apart()

    def _tell_apart(self) -> None:
        self._sole = frozenset()
        self._apart = {}
        for client in self.clients.values():
            for lane in client.waiting:
                self._heap(self._apart, lane).add(client)

    def _heap(self, apart: dict[Realm, LeastHeap], lane: str) -> LeastHeap:
        realm = self._realm_of(lane)
        heap = apart.get(realm)
        if heap is None:
            heap = apart[realm] = LeastHeap()
        return heap

    def waits(self, client: Client, lane: str, items: int, *, low: bool, again: bool = False) -> None:
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
            waiting = client.waiting
            waiting[lane] = waiting.get(lane, 0) + items
            if lane not in self._sole:
                self._waits_elsewhere(client, lane)
        client.items += items

    def _waits_elsewhere(self, client: Client, lane: str) -> None:
        """``client`` waits in a lane that is not known to be of the only realm."""
        if self._apart is not None:
            self._heap(self._apart, lane).add(client)
        elif not self._sole:
            self.realms_changed()
        else:
            self._tell_apart()

    def taken(self, client: Client, lane: str, items: int, *, low: bool) -> None:
        """``items`` of ``client``, one or more, wait no longer."""
        client.items -= items
        if not low:
            client.normal_items -= items
            client.waiting[lane] -= items
            if not client.waiting[lane]:
                del client.waiting[lane]
                if self._apart is not None:
                    self._left(client, self._realm_of(lane), self._apart)
        if not client.normal_items:
            self._normal.remove(client)
        if client.items == client.normal_items:
            self._low.remove(client)

    def _left(self, client: Client, realm: Realm, apart: dict[Realm, LeastHeap]) -> None:
        if not any(self._realm_of(other) == realm for other in client.waiting):
            apart[realm].remove(client)

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
            for heap in (self._apart or {}).values():
                heap.lowered(client)
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
