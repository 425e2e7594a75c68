"""Late binding: how many batches may wait in RQ, and whether a partial one would be taken at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import combinations

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


Queued = list[int]
"""How many batches of one lane wait in RQ at each level."""


class Crowd:
    """Some lanes, and all workers that serve any of them: no more of the lanes' batches run than these workers take."""

    __slots__ = ("groups", "queued")

    def __init__(self, groups: tuple[Group, ...], queued: tuple[Queued, ...]) -> None:
        self.groups = groups
        self.queued = queued


class Reach:
    """Which workers a lane and level can count on, and who competes for them.

    Attributes:
        groups: the workers that serve the lane at the level.
        lanes: every lane that one of them serves; ``queued`` are its RQ queues.
        within: crowds that the lane belongs to. There is one where all lanes have the same workers.
        without: crowds of the other lanes that the workers lead to.
    """

    __slots__ = ("groups", "lanes", "queued", "within", "without")

    def __init__(
        self,
        groups: tuple[Group, ...],
        lanes: frozenset[str],
        queued: tuple[Queued, ...],
        within: tuple[Crowd, ...],
        without: tuple[Crowd, ...],
    ) -> None:
        self.groups = groups
        self.lanes = lanes
        self.queued = queued
        self.within = within
        self.without = without


class Credits:
    """Counts workers and the batches that wait for them in RQ.

    Attributes:
        workers: the live ones by name.
        holdings: for each worker, live or not, the batches that it holds.
        queued: for each lane, how many batches wait in RQ at each level.
    """

    __slots__ = ("_groups", "_levels", "_reach", "_realms", "holdings", "queued", "workers")

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._groups: dict[tuple[frozenset[str], frozenset[int]], Group] = {}
        self._reach: dict[tuple[str, int], Reach] = {}
        self._realms: dict[str, frozenset[str]] = {}
        self.workers: dict[str, Worker] = {}
        self.holdings: dict[str, Held] = {}
        self.queued: dict[str, Queued] = {}

    def joined(self, info: WorkerInfo) -> None:
        """A worker lives, or says anew what it serves."""
        self.left(info.name)
        key = frozenset(info.lanes), frozenset(info.levels)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key, self._levels)
            self._reach.clear()
            self._realms.clear()
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
            self._realms.clear()
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

    def _counts(self, lane: str) -> Queued:
        counts = self.queued.get(lane)
        if counts is None:
            counts = self.queued[lane] = [0] * self._levels
        return counts

    def reach(self, lane: str, level: int) -> Reach:
        """The workers that serve ``lane`` at ``level``."""
        found = self._reach.get((lane, level))
        if found is None:
            found = self._reach[lane, level] = self._reached(lane, level)
        return found

    def _reached(self, lane: str, level: int) -> Reach:
        serving = [group for group in self._groups.values() if level in group.levels]
        groups = tuple(group for group in serving if lane in group.lanes)
        lanes = frozenset({lane}).union(*(group.lanes for group in groups))
        queued = tuple(self._counts(other) for other in sorted(lanes))
        own, others = _kinds(lane, serving)
        within, without = [], []
        for chosen in _subsets(others):
            crowd = frozenset[Group]().union(*chosen)
            counts = [self._counts(other) for kind in chosen for other in sorted(others[kind])]
            if chosen:
                without.append(Crowd(tuple(crowd), tuple(counts)))
            counts += [self._counts(other) for other in sorted(own)]
            within.append(Crowd(tuple(crowd.union(groups)), tuple(counts)))
        return Reach(groups, lanes, queued, tuple(within), tuple(without))

    def realm(self, lane: str) -> frozenset[str]:
        """The lanes that workers link with ``lane``, however indirectly, at whatever level; itself too."""
        found = self._realms.get(lane)
        if found is None:
            found = self._realms[lane] = _linked(lane, self._groups.values())
        return found

    def serving(self, lane: str, level: int) -> int:
        """How many workers serve ``lane`` at ``level``."""
        count = 0
        for group in self.reach(lane, level).groups:
            count += group.count
        return count

    def spare(self, lane: str, level: int) -> int:
        """How many idle workers of ``lane`` would find nothing to do at ``level`` or above."""
        return max(0, _room(self.reach(lane, level), level, _idle))

    def free(self, lane: str, level: int) -> bool:
        """Whether another batch of ``lane`` and ``level`` may be queued: one a worker beyond what starts at once."""
        return _room(self.reach(lane, level), level, _ahead) > 0

    def taken_at_once(self, lane: str, level: int) -> str:
        """Why a partial batch would be taken at once, or would come before something lower; "" where it would not."""
        reach = self.reach(lane, level)
        if _room(reach, level, _idle) > 0:
            return "a worker is idle"
        if _room(reach, level, lambda group: group.idle + sum(group.lowest[level + 1 :])) > 0:
            return "a worker runs something less urgent"
        if any(any(counts[level + 1 :]) for counts in reach.queued) and _room(reach, level, _count) > 0:
            return "a worker would take something less urgent next"
        return ""


Taken = Callable[[Group], int]
"""How many batches the workers of a group take."""


def _idle(group: Group) -> int:
    return group.idle


def _count(group: Group) -> int:
    return group.count


def _ahead(group: Group) -> int:
    return group.count + group.idle


def _room(reach: Reach, level: int, taken: Taken) -> int:
    """How many more batches of the lane the workers take, beside all that waits at ``level`` or above; or below 0.

    What waits is matched as well as can be with workers that serve it: a batch that only others could take is in
    nobody's way. By Hall's theorem the matching has room for one more of the lane where every set of lanes that
    holds it has more room than the fullest set without it.
    """
    within = reach.within
    room = _left(within[0], level, taken) if len(within) == 1 else min([_left(c, level, taken) for c in within])
    if reach.without:
        room -= min(0, *[_left(crowd, level, taken) for crowd in reach.without])
    return room


def _left(crowd: Crowd, level: int, taken: Taken) -> int:
    """How many batches the workers of ``crowd`` take beyond those of its lanes that wait at ``level`` or above."""
    left = 0
    for group in crowd.groups:
        left += taken(group)
    for counts in crowd.queued:
        left -= sum(counts[: level + 1]) if level else counts[0]
    return left


Kind = frozenset[Group]
"""The groups that serve a lane: lanes of one kind are in each other's way alike."""

KINDS_MAX = 6
"""Kinds beside a lane's own that are looked at in all their combinations; more only one by one and all together."""


def _linked(lane: str, groups: Iterable[Group]) -> frozenset[str]:
    """The lanes that ``groups`` link with ``lane``, however indirectly; itself too."""
    served = [group.lanes for group in groups]
    lanes = frozenset({lane})
    while True:
        wider = lanes.union(*(others for others in served if not lanes.isdisjoint(others)))
        if wider == lanes:
            return lanes
        lanes = wider


def _kinds(lane: str, serving: Iterable[Group]) -> tuple[frozenset[str], dict[Kind, frozenset[str]]]:
    """The lanes of ``lane``'s own kind, and those of each other that shares workers with it, however indirectly."""
    groups = list(serving)
    kinds: dict[Kind, set[str]] = {}
    for one in _linked(lane, groups):
        kinds.setdefault(frozenset(group for group in groups if one in group.lanes), set()).add(one)
    own = next(kind for kind, members in kinds.items() if lane in members)
    return frozenset(kinds.pop(own)), {kind: frozenset(members) for kind, members in kinds.items()}


def _subsets(kinds: Collection[Kind]) -> list[tuple[Kind, ...]]:
    """All combinations of ``kinds``, the empty one too; of too many, each alone and all together."""
    if len(kinds) > KINDS_MAX:
        return [(), *((kind,) for kind in kinds), tuple(kinds)]
    return [chosen for size in range(len(kinds) + 1) for chosen in combinations(kinds, size)]
