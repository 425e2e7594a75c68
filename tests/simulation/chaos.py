"""A world in which everything goes wrong that may: seeded, so that a failure can be played again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from scheduler.core import Core, CoreConfig
from scheduler.core.decisions import Decision, ExpireJob
from scheduler.core.events import BatchRestored, CoreEvent, JobRestored, TimePassed
from scheduler.simulate.engine import LANE, Arrival, Engine
from scheduler.simulate.model_worker import Device, ModelWorker
from scheduler.simulate.truth import TrueJob
from tenfold.contract.events import (
    BatchLost,
    JobClosed,
    JobEnded,
    JobExtended,
    JobSubmitted,
    WireEvent,
    WorkerJoined,
    WorkerLeft,
)
from tenfold.contract.records import Priority
from tests.simulation.watch import Watch, require

LEASE_MS = 1500.0
SETTLED_MS = 600_000.0
LANES = (LANE, "model@320")
MODELS = ("one@640", "other@640", "other@320", "third@320")


@dataclass(frozen=True, slots=True)
class Mishaps:
    """How often what goes wrong; probabilities an event, or times over the run.

    Attributes:
        late, doubled: chance that a message arrives late, or a second time.
        deaths, restarts: workers killed and schedulers crashed.
        crash_on_event: chance that a scheduler crashes amid what it just decided.
    """

    late: float = 0.0
    doubled: float = 0.0
    deaths: int = 0
    restarts: int = 0
    vanishings: int = 0
    crash_on_event: float = 0.0


@dataclass(slots=True)
class Story:
    """What was told of a job that grows, in order, each with when it arrives."""

    told: list[tuple[float, WireEvent]] = field(default_factory=list)

    @property
    def last_ms(self) -> float:
        return self.told[-1][0] if self.told else 0.0


class Chaos(Engine):
    """An engine with mishaps."""

    def __init__(self, config: CoreConfig, seed: int, mishaps: Mishaps) -> None:
        self.random = random.Random(seed)
        self.config = config
        self.mishaps = mishaps
        self.core = Core(config)
        super().__init__(self.core)
        self.prompt = not (mishaps.late or mishaps.doubled)
        self.watch = Watch(self.core, prompt=self.prompt)
        self._epoch = config.epoch
        self._dead: dict[str, ModelWorker] = {}
        self._stories: dict[str, Story] = {}
        self.growing: list[str] = []

    def tell(self, event: WireEvent) -> None:
        """Send an event: late or twice, now and then; news of workers, and of a job that grows, keeps its order."""
        story = self._story(event)
        if story is not None:
            self._tell_in_order(event, story)
            return
        delay_ms = self.latency_ms
        if not isinstance(event, WorkerJoined | WorkerLeft):
            if self.random.random() < self.mishaps.late:
                delay_ms += self.random.uniform(0, 400)
            if self.random.random() < self.mishaps.doubled:
                self.clock.after(delay_ms + self.random.uniform(0, 1000), lambda: self.deliver(event))
        self.clock.after(delay_ms, lambda: self.deliver(event))

    def _story(self, event: WireEvent) -> Story | None:
        if isinstance(event, JobSubmitted) and event.job.open:
            return self._stories.setdefault(event.job.job_id, Story())
        return self._stories.get(event.job_id) if isinstance(event, JobExtended | JobClosed | JobEnded) else None

    def _tell_in_order(self, event: WireEvent, story: Story) -> None:
        """Late now and then, and never before what was told of the job earlier: one stream keeps that order."""
        late_ms = self.random.uniform(0, 400) if self.random.random() < self.mishaps.late else 0.0
        due_ms = max(story.last_ms, self.clock.now_ms + self.latency_ms + late_ms)
        story.told.append((due_ms, event))
        self.clock.at(due_ms, lambda: self.deliver(event))

    def _read_from(self, story: Story, place: int) -> None:
        """Read what has come of a story once more, in its order."""
        for due_ms, event in story.told[place:]:
            if due_ms <= self.clock.now_ms:
                self.deliver(event)

    def _read_again(self) -> None:
        """A new leader reads the stream from a place before some of what it has learned already."""
        for story in self._stories.values():
            if self.random.random() < self.mishaps.doubled:
                self._read_from(story, self.random.randrange(len(story.told)))

    def carry_out(self, decision: Decision) -> None:
        """Do what was decided; an expiry is told on the stream, too."""
        expires = decision.job_id if isinstance(decision, ExpireJob) else ""
        was_final = not expires or self.truth.jobs[expires].final
        super().carry_out(decision)
        if expires in self._stories and not was_final:
            self.tell(JobEnded(expires, "expired"))

    def deliver(self, event: CoreEvent) -> None:
        """Hand an event over; a scheduler may crash amid carrying out what follows."""
        decisions = self.policy.handle(event, self.clock.now_ms)
        self.watch(event, decisions)
        crash = self.random.random() < self.mishaps.crash_on_event
        for decision in decisions[: self.random.randint(0, len(decisions))] if crash else decisions:
            self.carry_out(decision)
        if crash:
            self.restart()
            if not isinstance(event, TimePassed):
                self.deliver_again(event)
        self._appoint()

    def deliver_again(self, event: CoreEvent) -> None:
        """What was read and not acknowledged is read again, and what came after it."""
        for story in self._stories.values():
            place = next((place for place, (_, told) in enumerate(story.told) if told is event), None)
            if place is not None:
                self.clock.after(1.0, partial(self._read_from, story, place))
                return
        self.clock.after(1.0, lambda: self.deliver(event))

    def restart(self) -> None:
        """The scheduler dies; its successor learns everything from the truth."""
        self._epoch += 1
        self._wakeup_ms = None
        fields = {name: getattr(self.config, name) for name in CoreConfig.__dataclass_fields__}
        self.core = Core(CoreConfig(**{**fields, "epoch": self._epoch}))
        self.policy = self.core
        watch = Watch(self.core, prompt=self.prompt)
        # Of jobs that ended before, a late or doubled submission may revive a shadow, whose batches the claim empties.
        for job_id, job in self.truth.jobs.items():
            watch.jobs[job_id] = job.submission
            watch.totals[job_id] = len(job.items)
        self.watch = watch
        for event in self._memory():
            watch(event, self.core.handle(event, self.clock.now_ms))
        self.deliver(TimePassed())
        self._read_again()

    def _memory(self) -> list[CoreEvent]:
        events: list[CoreEvent] = [WorkerJoined(worker.info) for worker in self.workers.values()]
        events += [self._remembered(job) for job in self.truth.jobs.values() if not job.final]
        events += [
            BatchRestored(b.id, b.pool, b.lane, b.level, list(b.items), b.worker or None, list(b.dropped))
            for b in self.truth.batches.values()
        ]
        return events

    def _remembered(self, job: TrueJob) -> JobRestored:
        waiting = self.truth.waiting(job)
        indexes = [index for start, stop in waiting for index in range(start, stop)]
        alone = [index for index in indexes if job.losses.get(index, 0) >= 2]
        return JobRestored(job.submission, waiting, len(job.done_ms), alone, total=len(job.items), still_open=job.open)

    def kill(self, name: str) -> None:
        """A worker dies; its lease runs out later, and another one takes its place."""
        worker = self.workers.pop(name, None)
        if worker is None:
            return
        worker.alive = False
        self.clock.after(LEASE_MS, lambda: self._reap(name))
        info = worker.info
        self.clock.after(
            self.random.uniform(10, 3000),
            lambda: self.add_worker(f"{name}'", worker.device, levels=info.levels, lanes=info.lanes),
        )
        self._dead[name] = worker

    def _reap(self, name: str) -> None:
        worker = self._dead.pop(name)
        self.tell(WorkerLeft(name))
        for batch in worker.holding:
            if batch.id in self.truth.batches:
                computing = worker.computing if batch is worker.holding[0] else []
                left, alone, failed = self.truth.lose(batch, computing, self.clock.now_ms)
                self.tell(BatchLost(batch.id, name, left, alone, failed))

    def vanish(self) -> None:
        """A batch that nobody claimed falls out of RQ and is missed by the reaper."""
        waiting = [batch for batch in self.truth.batches.values() if not batch.worker]
        if waiting:
            batch = self.random.choice(waiting)
            left = self.truth.vanish(batch, self.clock.now_ms)
            self.tell(BatchLost(batch.id, "", left))

    def settled(self) -> None:
        """All is over: everything was served or is final otherwise, and nothing is left behind."""
        for job_id, job in self.truth.jobs.items():
            require(job.final, "every item served", f"{job_id} is {job.state}: {set(job.items)}")
        require(not self.core.jobs, "nothing left", f"jobs {list(self.core.jobs)}")
        require(not self.core.batches, "nothing left", f"batches {list(self.core.batches)}")


def random_config(dice: random.Random) -> CoreConfig:
    """Settings at random."""
    levels = dice.choice([2, 3, 3, 3, 4])
    return CoreConfig(
        epoch=1,
        batch_size=dice.choice([1, 3, 10, 10, 10]),
        quantum=dice.choice([1, 4, 10, 10, 20]),
        levels=levels,
        allotments=tuple(dice.choice([3, 10, 50]) for _ in range(levels - 1)),
        dispatch=dice.choice(["adaptive", "adaptive", "tick"]),
        boost_after_ms=dice.choice([300.0, 2000.0]),
        client_lead_ms=dice.choice([0.0, 100.0, 500.0]),
    )


def random_arrival(dice: random.Random, until_ms: float, lanes: Sequence[str]) -> Arrival:
    """A job at random."""
    return Arrival(
        at_ms=dice.uniform(0, until_ms),
        client=f"c{dice.randrange(5)}",
        images=dice.choice([1, 1, 1, 2, 5, 10, 25, 70]),
        priority=dice.choice([Priority.NORMAL] * 6 + [Priority.LOW, Priority.HIGH]),
        lane=dice.choice(lanes),
        deadline_after_ms=dice.choice([None] * 7 + [dice.uniform(50, 4000)]),
    )


def let_grow(world: Chaos, arrival: Arrival, dice: random.Random) -> None:
    """A job that is opened, gets more images at random, now and then faster than they are served, and is closed."""
    arrival = replace(arrival, images=dice.choice([0, 0, 1, arrival.images]), open=True)
    at_ms, job_id = arrival.at_ms, f"g{len(world.growing):06d}"
    world.growing.append(job_id)
    world.clock.at(at_ms, partial(world.submit, arrival, named=job_id))
    for _ in range(dice.choice([0, 1, 3, 6])):
        at_ms += dice.choice([0.0, 1.0, dice.uniform(0, 2000)])
        images = dice.choice([1, 1, 4, 10, 25])
        refused = [index for index in range(images) if dice.random() < 0.05]
        world.clock.at(at_ms, partial(world.extend, job_id, images, refused))
    world.clock.at(at_ms + dice.choice([0.0, dice.uniform(0, 3000)]), partial(world.close, job_id))


def random_world(seed: int, mishaps: Mishaps, jobs: int = 25, *, models: bool = False) -> Chaos:
    """A world with workers, clients, cancels and ``mishaps``, all from ``seed``.

    With ``models`` there are several, and workers serve some of them each: apart, or overlapping.
    """
    dice = random.Random(seed)
    world = Chaos(random_config(dice), seed, mishaps)
    lanes = MODELS[: dice.choice([2, 3, 4])] if models else LANES[: dice.choice([1, 1, 2])]
    levels = range(world.config.levels)
    device = Device(dice.choice([1.0, 5.0]), dice.choice([0.2, 5.0, 20.0]), overlap_below_ms=dice.choice([0.0, 20.0]))
    jitter = random.Random(seed + 1)
    groups = random_groups(dice, lanes) if models else [lanes] * dice.choice([1, 1, 2, 4])
    for number, served in enumerate(groups):
        # Who alone may serve a lane serves all of its levels.
        others = {lane for group in groups[:number] for lane in group}
        reserved = number > 0 and dice.random() < 0.3 and others.issuperset(served)
        world.add_worker(
            f"w{number}",
            device,
            levels=[0] if reserved else list(levels),
            lanes=served,
            jitter=lambda: jitter.uniform(0.8, 1.2),
        )
    until_ms = dice.choice([500.0, 3000.0, 8000.0])
    for _ in range(jobs):
        arrival = random_arrival(dice, until_ms, lanes)
        if dice.random() < 0.2:
            let_grow(world, arrival, dice)
            continue
        refused = [index for index in range(arrival.images) if dice.random() < 0.05]
        world.clock.at(arrival.at_ms, partial(world.submit, arrival, refused))
        if dice.random() < 0.15:
            world.clock.at(arrival.at_ms + dice.uniform(0, 3000), lambda: _cancel_any(world))
    for _ in range(mishaps.deaths):
        world.clock.at(dice.uniform(0, until_ms), lambda: _kill_any(world))
    for _ in range(mishaps.restarts):
        world.clock.at(dice.uniform(0, until_ms), world.restart)
    for _ in range(mishaps.vanishings):
        world.clock.at(dice.uniform(0, until_ms), world.vanish)
    return world


def random_groups(dice: random.Random, lanes: Sequence[str]) -> list[Sequence[str]]:
    """The lanes of each worker at random; every lane has one at least."""
    groups: list[Sequence[str]] = [dice.sample(lanes, dice.randint(1, len(lanes))) for _ in range(dice.randint(1, 4))]
    missing = [lane for lane in lanes if not any(lane in group for group in groups)]
    return [missing, *groups] if missing else groups


def _cancel_any(world: Chaos) -> None:
    active = [job_id for job_id, job in world.truth.jobs.items() if not job.final]
    if active:
        world.cancel(world.random.choice(active))


def _kill_any(world: Chaos) -> None:
    if world.workers:
        world.kill(world.random.choice(list(world.workers)))


def play(seed: int, mishaps: Mishaps, jobs: int = 25, *, models: bool = False) -> Chaos:
    """Run a random world to its end and check that nothing is left."""
    world = random_world(seed, mishaps, jobs, models=models)
    world.clock.run(SETTLED_MS)
    world.settled()
    return world
