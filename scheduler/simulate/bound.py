"""The starvation bound A + T + F of each job, held against how long it really went without a start.

A is the job's patience, T its wait for a turn at level 0, F what is under way; ``docs/scheduling.md`` has the proof.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil

from scheduler.core import Core
from scheduler.core.batching import ALONE
from scheduler.core.decisions import Decision, DispatchBatch, ExpireJob, PromoteBatch, Trace, TraceKind
from scheduler.core.events import BatchClaimed, BatchLost, CoreEvent, JobEnded, JobRestored, JobSubmitted
from scheduler.simulate.model_worker import Device

TIMER_STEP_MS = 1.0


@dataclass(slots=True)
class Turn:
    """An aged job on its way to a start.

    Attributes:
        since_ms: when the wait began.
        patience_ms: A.
        rounds: turns of the level-0 ring until it is served: its own client's level-0 jobs ahead of it, and its own.
        clients: the most clients that the level-0 ring had meanwhile; ``workers`` the fewest that served level 0 of
            its lane.
        extra: batches that went ahead out of turn: returned after a loss, run alone, or cut short by a promotion.
    """

    since_ms: float
    lane: str
    patience_ms: float
    rounds: int
    clients: int
    workers: int
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """How long a job went without a start, and how long it might have."""

    job_id: str
    began_ms: float
    gap_ms: float
    bound_ms: float


@dataclass(slots=True)
class StarvationBound:
    """Follows a core and its workers' claims.

    Attributes:
        device: what the workers cost; ``slowest`` times that at most.
        latency_ms: the longest that a message takes.
        lanes: how many lanes there are.
        gaps: every wait of an aged job that ended, with its bound.
        longest: the longest wait of any job that ended.
    """

    core: Core
    device: Device
    latency_ms: float
    slowest: float = 1.0
    lanes: int = 1
    gaps: list[Gap] = field(default_factory=list)
    longest: Gap | None = None
    _since: dict[str, float] = field(default_factory=dict)
    _turns: dict[str, Turn] = field(default_factory=dict)
    _items: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def __call__(self, event: CoreEvent, decisions: list[Decision], now_ms: float) -> None:
        """Follow one step."""
        if isinstance(event, JobSubmitted | JobRestored):
            self._since.setdefault(event.job.job_id, now_ms)
        elif isinstance(event, JobEnded):
            self._turns.pop(event.job_id, None)
        elif isinstance(event, BatchClaimed):
            self._claimed(event, now_ms)
        self._decided(decisions, returned=isinstance(event, BatchLost))
        for turn in self._turns.values():
            self._update(turn)

    def _decided(self, decisions: list[Decision], *, returned: bool) -> None:
        extra = int(returned)
        for decision in decisions:
            if isinstance(decision, DispatchBatch):
                self._items[decision.batch_id] = list(decision.items)
                extra += decision.level == 0 and decision.reason == ALONE
            elif isinstance(decision, PromoteBatch):
                extra += 1
            elif isinstance(decision, Trace) and decision.kind is TraceKind.AGED:
                self._aged(decision.job_id)
            elif isinstance(decision, ExpireJob):
                self._turns.pop(decision.job_id, None)
        if extra:
            for turn in self._turns.values():
                turn.extra += extra

    def _aged(self, job_id: str) -> None:
        job = self.core.jobs.get(job_id)
        if job is None:
            return
        seat = job.client.seats[0]
        ahead = sum(len(queue.exempt) + len(queue.plain) for queue in seat.queues.values())
        patience_ms = max(self.core.config.boost_after_ms, 2 * job.turn_ms)
        turn = Turn(job.wait_since_ms, job.lane, patience_ms, max(1, ahead), 1, self._workers(job.pool, job.lane))
        self._turns.setdefault(job_id, turn)

    def _workers(self, pool: str, lane: str) -> int:
        return max(1, self.core.pools[pool].credits.serving(lane, 0))

    def _update(self, turn: Turn) -> None:
        for pool in self.core.pools.values():
            turn.clients = max(turn.clients, len(pool.rings[0]))
            turn.workers = min(turn.workers, self._workers(pool.name, turn.lane))

    def _claimed(self, event: BatchClaimed, now_ms: float) -> None:
        items = self._items.pop(event.batch_id, ())
        jobs = Counter(job_id for position, (job_id, _) in enumerate(items) if position not in event.dropped)
        for job_id in jobs:
            began_ms = self._since.get(job_id, now_ms)
            self._since[job_id] = now_ms
            turn = self._turns.pop(job_id, None)
            bound_ms = self.core.config.boost_after_ms if turn is None else self.bound_ms(turn)
            began_ms = began_ms if turn is None else turn.since_ms
            gap = Gap(job_id, began_ms, now_ms - began_ms, bound_ms)
            if turn is not None:
                self.gaps.append(gap)
            if self.longest is None or gap.gap_ms > self.longest.gap_ms:
                self.longest = gap

    def bound_ms(self, turn: Turn) -> float:
        """A + T + F for a turn."""
        config = self.core.config
        batch_ms = self.device.cost_ms(config.batch_size) * self.slowest + self.device.claim_ms
        # Over several lanes a client's turn may be spread over as many batches as it has images.
        a_turn = ceil(config.quantum / config.batch_size) if self.lanes == 1 else config.quantum
        ahead = turn.rounds * turn.clients * a_turn - 1 + 2 * turn.extra
        waiting_ms = ahead * batch_ms / turn.workers
        prefetched = 1 if self.device.cost_ms(1) < self.device.overlap_below_ms else 0
        under_way_ms = (2 + prefetched) * batch_ms + config.tick_ms + TIMER_STEP_MS + 4 * self.latency_ms
        return turn.patience_ms + waiting_ms + under_way_ms

    @property
    def tightest(self) -> Gap | None:
        """The wait that came nearest to its bound."""
        return max(self.gaps, key=lambda gap: gap.gap_ms / gap.bound_ms, default=None)
