"""Late binding: how many batches may wait in RQ, and whether a partial one would be taken at once."""

from __future__ import annotations

from tenfold.contract.records import WorkerInfo

Held = dict[str, tuple[str, int]]
"""The lane and level of each batch that a worker holds, in the order of the claims."""


class Worker:
    """A live worker.

    Attributes:
        held: the batches that it holds.
    """

    __slots__ = ("group", "held", "info")

    def __init__(self, info: WorkerInfo, group: Group, held: Held) -> None:
        self.info = info
        self.group = group
        self.held = held


class Group:
    """Workers that serve the same lanes and levels.

    Attributes:
        count: how many there are; ``idle`` of them hold nothing.
        lowest: how many hold a batch of each level and none lower.
    """

    __slots__ = ("count", "idle", "lanes", "levels", "lowest")

    def __init__(self, lanes: frozenset[str], serves: frozenset[int], levels: int) -> None:
        self.lanes = lanes
        self.levels = serves
        self.count = 0
        self.idle = 0
        self.lowest = [0] * levels

    def add(self, held: Held, sign: int) -> None:
        """Count a worker that holds ``held`` in (``sign`` 1) or out (-1)."""
        if not held:
            self.idle += sign
        elif len(held) == 1:
            (place,) = held.values()
            self.lowest[place[1]] += sign
        else:
            self.lowest[max([level for _, level in held.values()])] += sign


class Reach:
    """Which workers a lane and level can count on, and the RQ queues of all lanes that compete for them."""

    __slots__ = ("groups", "queued")

    def __init__(self, groups: tuple[Group, ...], queued: tuple[list[int], ...]) -> None:
        self.groups = groups
        self.queued = queued


class Credits:
    """Counts workers and the batches that wait for them in RQ.

    Attributes:
        workers: the live ones by name.
        holdings: for each worker, live or not, the batches that it holds.
        queued: for each lane, how many batches wait in RQ at each level.
    """

    __slots__ = ("_groups", "_levels", "_reach", "holdings", "queued", "workers")

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._groups: dict[tuple[frozenset[str], frozenset[int]], Group] = {}
        self._reach: dict[tuple[str, int], Reach] = {}
        self.workers: dict[str, Worker] = {}
        self.holdings: dict[str, Held] = {}
        self.queued: dict[str, list[int]] = {}

    def joined(self, info: WorkerInfo) -> None:
        """A worker lives, or says anew what it serves."""
        self.left(info.name)
        key = frozenset(info.lanes), frozenset(info.levels)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key, self._levels)
            self._reach.clear()
        held = self.holdings.setdefault(info.name, {})
        self.workers[info.name] = Worker(info, group, held)
        group.count += 1
        group.add(held, 1)

    def left(self, name: str) -> None:
        """A worker is gone; what it holds comes back by its own events. Does nothing where it is not known."""
        worker = self.workers.pop(name, None)
        if worker is None:
            return
        group = worker.group
        group.count -= 1
        group.add(worker.held, -1)
        if not group.count:
            del self._groups[group.lanes, group.levels]
            self._reach.clear()
        if not worker.held:
            del self.holdings[name]

    def takes(self, name: str, batch_id: str, lane: str, level: int) -> None:
        """A worker holds one batch more."""
        worker = self.workers.get(name)
        held = self.holdings.setdefault(name, {}) if worker is None else worker.held
        if worker is not None:
            worker.group.add(held, -1)
        held[batch_id] = lane, level
        if worker is not None:
            worker.group.add(held, 1)

    def puts_down(self, name: str, batch_id: str) -> None:
        """A worker holds one batch less."""
        held = self.holdings[name]
        worker = self.workers.get(name)
        if worker is not None:
            worker.group.add(held, -1)
        del held[batch_id]
        if worker is not None:
            worker.group.add(held, 1)
        elif not held:
            del self.holdings[name]

    def queue(self, lane: str, level: int, sign: int = 1) -> None:
        """A batch came to (1) or left (-1) the RQ queue of ``lane`` and ``level``."""
        self._counts(lane)[level] += sign

    def _counts(self, lane: str) -> list[int]:
        counts = self.queued.get(lane)
        if counts is None:
            counts = self.queued[lane] = [0] * self._levels
        return counts

    def reach(self, lane: str, level: int) -> Reach:
        """The workers that serve ``lane`` at ``level``."""
        found = self._reach.get((lane, level))
        if found is None:
            groups = tuple(group for group in self._groups.values() if lane in group.lanes and level in group.levels)
            lanes = sorted(frozenset().union(*(group.lanes for group in groups)))
            found = self._reach[lane, level] = Reach(groups, tuple(self._counts(other) for other in lanes))
        return found

    def serving(self, lane: str, level: int) -> int:
        """How many workers serve ``lane`` at ``level``."""
        count = 0
        for group in self.reach(lane, level).groups:
            count += group.count
        return count

    def waiting(self, lane: str, level: int) -> int:
        """How many batches wait in RQ at ``level`` or above for the workers of ``lane``."""
        return _up_to(self.reach(lane, level), level)

    def free(self, lane: str, level: int) -> bool:
        """Whether another batch of ``lane`` and ``level`` may be queued: one a worker beyond what starts at once."""
        reach = self.reach(lane, level)
        allowed = 0
        for group in reach.groups:
            allowed += group.count + group.idle
        return _up_to(reach, level) < allowed

    def taken_at_once(self, lane: str, level: int) -> str:
        """Why a partial batch would be taken at once, or would come before something lower; "" where it would not."""
        reach = self.reach(lane, level)
        idle = lower = count = 0
        for group in reach.groups:
            idle += group.idle
            count += group.count
            lower += sum(group.lowest[level + 1 :])
        ahead = _up_to(reach, level)
        if ahead < idle:
            return "a worker is idle"
        if ahead < idle + lower:
            return "a worker runs something less urgent"
        if ahead < count and any(any(counts[level + 1 :]) for counts in reach.queued):
            return "a worker would take something less urgent next"
        return ""


def _up_to(reach: Reach, level: int) -> int:
    """How many batches wait in RQ at ``level`` or above."""
    total = 0
    for counts in reach.queued:
        total += counts[0] if not level else sum(counts[: level + 1])
    return total
