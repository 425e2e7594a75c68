"""Planted faults: each small change of the policy is caught by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.core import batch_events, job_events, ranges, timers
from scheduler.core.batch_events import BatchEvents
from scheduler.core.batching import Batching
from scheduler.core.config import CoreConfig
from scheduler.core.cost import CostCurve
from scheduler.core.credits import Credits, Group, Held
from scheduler.core.events import BatchLost, JobExtended
from scheduler.core.job_events import JobEvents
from scheduler.core.jobs import Job
from scheduler.core.least_served import LeastServed
from scheduler.core.pool import Pool
from scheduler.core.restart import Restart
from scheduler.core.ring import Ring
from scheduler.core.state import State
from scheduler.core.timers import Timers
from scheduler.core.virtual_time import VirtualTime
from tests.simulation.battery import caught

fill, lost = Batching._fill, BatchEvents.lost
extended = JobEvents.extended


def _nothing(*_args: object, **_fields: object) -> None:
    """Do nothing."""


def _overfull(self: Batching, pool: Pool, level: int, lane: str, room: int, batch: Any) -> int:
    return fill(self, pool, level, lane, room + 1, batch)


def _mixing(self: Batching, pool: Pool, level: int, lane: str, room: int, batch: Any) -> int:
    for other in (lane, *pool.shelves[level].lanes()):
        room = fill(self, pool, level, other, room, batch)
    return room


def _waiting(of: Credits, lane: str, level: int) -> int:
    return sum(sum(counts[: level + 1]) for counts in of.reach(lane, level).queued)


def _generous(self: Credits, lane: str, level: int) -> bool:
    return self.serving(lane, level) > 0 and _waiting(self, lane, level) < 1 + 2 * self.serving(lane, level)


def _counting_lower(self: Credits, lane: str, level: int) -> bool:
    reach = self.reach(lane, level)
    return sum(sum(counts) for counts in reach.queued) < sum(group.count + group.idle for group in reach.groups)


def _careless_of_workers(self: Credits, lane: str, level: int) -> bool:
    return _waiting(self, lane, level) < 2


def _blind_to_levels(self: Group, held: Held, sign: int) -> None:
    if held:
        self.lowest[0] += sign
    else:
        self.idle += sign


def _bottom_up(self: Batching, pool: Pool) -> bool:
    self._pending = 0
    return any(self._try(pool, level, lane) for level in reversed(range(3)) for lane in pool.shelves[level].lanes())


def _never_home(self: Batching, pool: Pool, job: Job) -> None:
    job.turn_left = 10
    pool.move(job, aged=True, level=job.level)


def _tail_first(self: Pool, job: Job, indexes: list[int]) -> None:
    self.remove(job)
    job.waiting.put_back(indexes)
    self.place(job, again=True)


def _forgetful(self: State, job_id: str) -> None:
    self._ended.clear()


def _cancels_nothing(self: State, job: Job) -> None:
    self.jobs.pop(job.id, None)


def _drops_the_rest(self: BatchEvents, pool: Pool, batch: Any, left: frozenset[int], *_more: object) -> None:
    for share in batch.shares:
        self._state.settle_items(share.job, sum(position in left for position in batch_events._positions(share)))


def _unsuspecting(self: BatchEvents, event: BatchLost) -> None:
    lost(self, BatchLost(event.batch_id, event.worker, event.left, failed=event.failed))


def _first_comer(self: LeastServed, lane: str) -> Job | None:
    return next((self.job_of(client, lane) for client in self.clients(lane)), None)


def _extends_again(self: JobEvents, event: JobExtended) -> None:
    job = self._state.jobs.get(event.job_id)
    if job is not None:
        extended(self, JobExtended(event.job_id, job.count, event.count, []))


def _banks(self: Pool, job: Job, ranges: list[tuple[int, int]], *, level: int) -> None:
    self.remove(job)
    job.waiting.add(ranges)
    job.level = level
    self.place(job, again=True)


def _ends_while_open(self: State, job: Job, items: int) -> None:
    if items and job.outstanding:
        job.outstanding -= items
        if not job.outstanding:
            self.finish(job)


FAULTS: dict[str, tuple[object, str, Callable[..., Any], str]] = {
    "a batch takes one too many": (Batching, "_fill", _overfull, "batch size"),
    "lanes mix": (Batching, "_fill", _mixing, "one lane"),
    "one credit too many": (Credits, "free", _generous, "credits"),
    "lower levels count against credits": (Credits, "free", _counting_lower, "overtaking"),
    "what workers run counts as urgent": (Group, "add", _blind_to_levels, "invariants"),
    "batches go without workers": (Credits, "free", _careless_of_workers, "no workers"),
    "partial batches are queued ahead": (Credits, "taken_at_once", lambda *_: "why not", "only full ahead"),
    "partial batches wait for ever": (Credits, "taken_at_once", lambda *_: "", "work conserving"),
    "the tick is forgotten": (Batching, "_tick_due_ms", lambda *_: 1e12, "tick"),
    "the last level goes first": (Batching, "_next", _bottom_up, "strict order"),
    "every job enters at level 0": (CoreConfig, "entry_level", lambda *_: 0, "entry"),
    "no job sinks": (CoreConfig, "allotment", lambda *_: float("inf"), "allotment"),
    "turns never end": (Pool, "end_turn", lambda _self, seat: setattr(seat, "turn_left", 10), "turns"),
    "a client's first job takes all its turns": (Pool, "rotate", _nothing, "turns"),
    "nobody is charged": (VirtualTime, "charge", _nothing, "client share"),
    "nobody is held down": (Pool, "hold_if_ahead", _nothing, "client share"),
    "the last level goes by arrival": (LeastServed, "first", _first_comer, "least served"),
    "idle time is banked": (VirtualTime, "_raise", _nothing, "idle time"),
    "filling at any price": (CostCurve, "affordable", lambda _self, _budget, most: most, "filling"),
    "no filling": (CostCurve, "affordable", lambda *_: 0, "filling"),
    "no job ages": (Timers, "_age", _nothing, "aging"),
    "patience has no end": (timers, "patience_ms", lambda *_: 1e12, "aging"),
    "an aged job stays at level 0": (Batching, "go_home", _never_home, "one turn"),
    "what is handed back goes to the tail": (Pool, "put_back", _tail_first, "hand-back"),
    "the unused turn is lost": (Ring, "give_turn_back", _nothing, "hand-back"),
    "what is handed back is dropped": (BatchEvents, "_take_back", _drops_the_rest, "every item served"),
    "suspects are not singled out": (BatchEvents, "lost", _unsuspecting, "alone"),
    "ended jobs are forgotten": (State, "remember_ended", _forgetful, "final is final"),
    "a cancel leaves what waits": (State, "end", _cancels_nothing, "invariants"),
    "deadlines pass": (State, "expire", _nothing, "deadline"),
    "rejected images are scheduled": (job_events, "without", lambda count, _rejected: [(0, count)], "rejected"),
    "what comes back is counted wrong": (ranges.Ranges, "put_back", _nothing, "invariants"),
    "an extension read twice is two": (JobEvents, "extended", _extends_again, "extension"),
    "a growing job keeps its level": (JobEvents, "_level_grown", lambda _self, job: job.level, "level of an open job"),
    "an open job ends with what it has": (State, "settle_items", _ends_while_open, "open"),
    "a close is not heard": (JobEvents, "closed", _nothing, "close"),
    "idle while open is banked": (Pool, "extend", _banks, "idle while open"),
    "restored batches are ignored": (Restart, "batch", _nothing, "credits"),
}


def test_without_a_fault_nothing_is_caught() -> None:
    """The whole battery passes on the core as it is."""
    assert caught("nothing") == set()


@pytest.mark.parametrize("name", FAULTS)
def test_each_planted_fault_is_caught_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check that is there for it fails, whatever else does."""
    target, attribute, replacement, check = FAULTS[name]
    monkeypatch.setattr(target, attribute, replacement)
    assert check in caught(check)
