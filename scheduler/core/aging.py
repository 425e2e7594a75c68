"""Aging: which jobs went for too long without a start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf

from scheduler.core.jobs import Client, Job
from scheduler.core.pool import Pool

TURNS = 2
"""How many turns of its own ring a job waits before it ages: plain round robin must never look like starving."""


class Aging:
    """When to look at which job. A first look comes after the same time for all, so a plain queue holds them."""

    __slots__ = ("_after_ms", "_again", "_first", "_sequence")

    def __init__(self, boost_after_ms: float) -> None:
        self._after_ms = boost_after_ms
        self._first: deque[tuple[float, Job]] = deque()
        self._again: list[tuple[float, int, Job]] = []
        self._sequence = 0

    def watch(self, job: Job, now_ms: float) -> None:
        """Look at ``job`` once it has waited for the least time after which any job ages."""
        job.check_ms = now_ms + self._after_ms
        self._first.append((job.check_ms, job))

    def look_at(self, job: Job, due_ms: float) -> None:
        """Look at ``job`` at ``due_ms``, or earlier where that was said before."""
        if due_ms < job.check_ms:
            job.check_ms = due_ms
            self._sequence += 1
            heappush(self._again, (due_ms, self._sequence, job))

    def any_due(self, now_ms: float) -> bool:
        """Whether :meth:`due` may have anything."""
        first, again = self._first, self._again
        return bool((first and first[0][0] <= now_ms) or (again and again[0][0] <= now_ms))

    def due(self, now_ms: float) -> Iterator[Job]:
        """The jobs to look at; each is forgotten until it is watched again."""
        first, again = self._first, self._again
        while first and first[0][0] <= now_ms:
            due_ms, job = first.popleft()
            if job.check_ms == due_ms:
                job.check_ms = inf
                yield job
        while again and again[0][0] <= now_ms:
            due_ms, _, job = heappop(again)
            if job.check_ms == due_ms:
                job.check_ms = inf
                yield job

    def next_ms(self) -> float:
        """When the next look is due; infinite where none is."""
        first, again = self._first, self._again
        while first and first[0][1].check_ms != first[0][0]:
            first.popleft()
        while again and again[0][2].check_ms != again[0][0]:
            heappop(again)
        return min(first[0][0] if first else inf, again[0][0] if again else inf)


def patience_ms(pool: Pool, job: Job) -> float:
    """How long ``job`` goes without a start before it ages: ``boost_after_ms`` or two turns of its ring.

    A turn is what passes until the ring comes back to the job: a quantum for each client of the ring as often as its
    own client needs turns for its own jobs, and never more than all that waits there. The longest turn found during
    the wait counts. A client that was held in that time waited in the last level's ring, whether or not it is held at
    this moment: by its own ring alone all its jobs would age together, which no lead could hold.
    """
    client, config = job.client, pool.config
    held = client.held or (job.level < config.last_level and client.held_ms >= job.wait_since_ms)
    level = config.last_level if held else job.level
    clients, waiting = _contenders(pool, job.lane, level)
    if held and not client.held:
        clients += (client, job.lane) not in pool.last
        waiting += client.upper_items
    items = min(clients * config.quantum * _own_turns(client, job.level, config.quantum, held=held), waiting)
    turn_ms = items * pool.item_ms.get(job.lane, 0.0) / max(1, pool.credits.serving(job.lane, level))
    job.turn_ms = max(job.turn_ms, turn_ms)
    return max(config.boost_after_ms, TURNS * job.turn_ms)


def _contenders(pool: Pool, lane: str, level: int) -> tuple[int, int]:
    """Clients and items at ``level`` that compete for the workers of ``lane``: what others serve is in nobody's way."""
    shelf = pool.shelves[level]
    lanes = pool.credits.reach(lane, level).lanes
    if lanes.issuperset(other for other, items in shelf.items.items() if items):
        return len(shelf), sum(shelf.items.values())
    clients = {client for other in lanes for client in shelf.clients(other)}
    return len(clients), sum(shelf.items.get(other, 0) for other in lanes)


def _own_turns(client: Client, level: int, quantum: int, *, held: bool) -> int:
    """Turns that a client needs until each of its jobs at ``level``, or of all that it has while held, was served."""
    jobs = items = 0
    for seat in client.seats if held else (client.seats[level],):
        for queue in seat.queues.values():
            jobs += len(queue.plain)
            items += queue.plain_items
    return max(1, min(jobs, -(-items // quantum)))
