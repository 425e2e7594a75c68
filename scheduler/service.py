"""The loop that gives the core its clock and its Redis: stand by, lead, rebuild, then read, decide, carry out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scheduler.carrier import Carrier
from scheduler.clock import RedisClock
from scheduler.core.core import Core
from scheduler.core.decisions import Decision
from scheduler.core.events import BatchRestored, CoreEvent, JobRestored, TimePassed, WorkerJoined
from scheduler.dispatch import Dispatcher
from scheduler.history import restored_history
from scheduler.lease import Leadership
from scheduler.reaper import Reaper
from scheduler.status import Status
from scheduler.tally import Tally
from scheduler.values import DueValues
from tenfold.contract.errors import LeadershipLost
from tenfold.contract.events import ValuesRequested
from tenfold.store.connection import BLOCK_S
from tenfold.store.event_reader import EventReader
from tenfold.store.scheduler_store import ActiveJob, LiveBatch, SchedulerStore, Snapshot

log = logging.getLogger("tenfold.scheduler")

STANDBY_S = 0.5
SWEEP_EACH_S = 1.0
PUBLISH_EACH_S = 0.5
OUTAGE_BACKOFF_S = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """What a scheduler is made of.

    Attributes:
        make_core: a new core for an epoch, the leadership's token as a number.
    """

    store: SchedulerStore
    reaper: Reaper
    dispatcher: Dispatcher
    values: DueValues
    make_core: Callable[[int], Core]


class Service:
    """One scheduler process: leads, or stands by until the leader is gone."""

    def __init__(self, parts: Parts, stopped: threading.Event) -> None:
        self._parts = parts
        self._stopped = stopped
        self._leadership = Leadership(parts.store)

    def run(self) -> None:
        """Serve until stopped; lost leadership is waited out, and a Redis that is away or takes no writes."""
        while not self._stopped.is_set():
            try:
                if self._leadership.take():
                    self._lead()
                else:
                    self._stopped.wait(STANDBY_S)
            except LeadershipLost as error:
                log.warning("standing by: %s", error)
            except (RedisConnectionError, RedisTimeoutError) as error:
                log.warning("Redis does not answer, trying again: %s", error)
                self._stopped.wait(OUTAGE_BACKOFF_S)
            except RedisError as error:
                log.error("Redis refuses what it is asked, trying again: %s", error)
                self._stopped.wait(OUTAGE_BACKOFF_S)

    def _lead(self) -> None:
        leading = Leading(self._parts, self._leadership)
        try:
            leading.rebuild()
            while not self._stopped.is_set():
                leading.step()
        finally:
            leading.close()
        self._leadership.give_up()


class Leading:
    """One leadership, from the rebuild to its end."""

    def __init__(self, parts: Parts, leadership: Leadership) -> None:
        self._store = parts.store
        self._reaper = parts.reaper
        self._values = parts.values
        self._leadership = leadership
        self._token = leadership.token
        self._clock = RedisClock(parts.store.client)
        self._core = parts.make_core(int(self._token))
        self._carrier = Carrier(parts.store, parts.dispatcher)
        self._tally = Tally()
        self._status = Status(self._token, parts.store.keys, self._tally, restored_history(parts.store.published()))
        self._events = EventReader(parts.store.client, parts.store.keys.events)
        self._read = b"0-0"
        self._sweep_due_s = 0.0
        self._publish_due_s = 0.0

    def rebuild(self) -> None:
        """Learn everything from Redis."""
        now_ms = self._clock.now_ms()
        snapshot = self._store.snapshot(now_ms - self._reaper.lease_ms)
        self._read = snapshot.last_event
        self._tally.meet(worker.name for worker in snapshot.workers)
        self._carrier.carry_out(self._token, self._decide(restored(snapshot), now_ms))
        self._values.wake()
        log.info(
            "leading with token %s: %d jobs, %d batches, %d workers",
            self._token,
            len(snapshot.jobs),
            len(snapshot.batches),
            len(snapshot.workers),
        )

    def step(self) -> None:
        """Read what happened, or wait until the core's next timer; decide; carry out; tidy up where it is due."""
        events = self._events.read(self._read, self._patience_ms())
        now_ms = self._clock.now_ms()
        batch: list[CoreEvent] = [event for _, event in events if not isinstance(event, ValuesRequested)]
        if len(batch) < len(events):
            self._values.wake()
        if time.monotonic() >= self._sweep_due_s:
            self._sweep_due_s = time.monotonic() + SWEEP_EACH_S
            batch += self._reaper.sweep(self._token, now_ms, self._core.worker_names())
            self._carrier.forget(self._core.jobs)
            # What earlier steps have handled: now and then, since trimming costs a round trip.
            self._store.forget_events(self._read)
            self._values.sweep(self._token, now_ms)
        self._carrier.carry_out(self._token, self._decide(batch, now_ms))
        self._values.move(self._token, now_ms)
        if events:
            self._read = events[-1][0]
        self._leadership.keep()
        if time.monotonic() >= self._publish_due_s:
            self._publish_due_s = time.monotonic() + PUBLISH_EACH_S
            self._store.publish(self._status.queues(self._core, now_ms), self._status.standings(self._core, now_ms))

    def close(self) -> None:
        """Give up what this leadership holds of its own."""
        self._events.close()

    def _decide(self, events: Sequence[CoreEvent], now_ms: float) -> list[Decision]:
        self._carrier.note(events)
        self._tally.note(events, self._core.batches, now_ms)
        decisions = self._core.handle_all([*events, TimePassed()], now_ms)
        self._tally.note_decided(decisions)
        return decisions

    def _patience_ms(self) -> float:
        due_s = min(self._sweep_due_s, self._publish_due_s) - time.monotonic()
        patience_ms = min(due_s, BLOCK_S) * 1000
        for wakeup in (self._core.next_wakeup_ms(), self._values.next_due_ms()):
            if wakeup is not None:
                patience_ms = min(patience_ms, wakeup - self._clock.now_ms())
        return max(0.0, patience_ms)


def restored(snapshot: Snapshot) -> list[CoreEvent]:
    """What Redis holds, as events for a new core: workers, jobs, then the batches that are under way."""
    events: list[CoreEvent] = [WorkerJoined(worker) for worker in snapshot.workers]
    under_way: dict[str, set[int]] = {}
    for batch in snapshot.batches:
        for job_id, index in batch.record.items:
            under_way.setdefault(job_id, set()).add(index)
    events += [_restored_job(active, under_way.get(active.job.job_id, set())) for active in snapshot.jobs]
    events += [_restored_batch(batch) for batch in snapshot.batches]
    return events


def _restored_job(active: ActiveJob, under_way: set[int]) -> JobRestored:
    # What was added after its total was read comes as an event.
    taken = sorted(index for index in active.settled | under_way if index < active.total)
    waiting = gaps(taken, active.total)
    alone = sorted(active.alone - set(taken))
    return JobRestored(active.job, waiting, served=len(taken), alone=alone, total=active.total, still_open=active.open)


def _restored_batch(batch: LiveBatch) -> BatchRestored:
    record = batch.record
    return BatchRestored(record.id, record.pool, record.lane, batch.level, record.items, batch.worker)


def gaps(taken: Iterable[int], count: int) -> list[tuple[int, int]]:
    """(start, stop) ranges of 0..count that ``taken``, ascending, leaves free."""
    ranges = []
    start = 0
    for index in taken:
        if index > start:
            ranges.append((start, index))
        start = index + 1
    if start < count:
        ranges.append((start, count))
    return ranges
