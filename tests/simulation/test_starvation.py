"""Rule 8's bound: no job goes longer than A + T + F without a start, whatever else arrives."""

import random
from collections.abc import Sequence

import pytest

from scheduler.core import CoreConfig
from scheduler.simulate.bound import StarvationBound
from scheduler.simulate.engine import LANE
from scheduler.simulate.figures import play
from scheduler.simulate.model_worker import Device
from scheduler.simulate.workloads import overload
from tests.simulation.chaos import LEASE_MS, MODELS, Chaos, Mishaps, random_arrival, random_groups
from tests.unit.scheduler.core.scene import HIGH, LOW, Scene, jobs_of, submission

SEEDS = 40
SEEDS_SOAKED = 2000
SLOWEST = 1.2


def _world(seed: int, deaths: int, lanes: Sequence[str] = (LANE,)) -> tuple[Chaos, StarvationBound]:
    dice = random.Random(seed)
    config = CoreConfig(
        epoch=1,
        quantum=dice.choice([4, 10, 20]),
        boost_after_ms=dice.choice([300.0, 2000.0]),
        client_lead_ms=dice.choice([0.0, 500.0]),
    )
    world = Chaos(config, seed, Mishaps())
    device = Device(dice.choice([1.0, 5.0]), dice.choice([2.0, 20.0]), overlap_below_ms=dice.choice([0.0, 30.0]))
    bound = StarvationBound(world.core, device, world.latency_ms, slowest=SLOWEST, lanes=len(lanes))
    checks = world.watch

    def follow(event: object, decisions: list[object]) -> None:
        checks(event, decisions)  # type: ignore[arg-type]  # what the engine hands on
        bound(event, decisions, world.clock.now_ms)  # type: ignore[arg-type]

    world.watch = follow  # type: ignore[assignment]
    groups = [lanes] * (dice.choice([2, 3]) if deaths else dice.choice([1, 1, 2]))
    if len(lanes) > 1:
        groups = random_groups(dice, lanes)
    for number, served in enumerate(groups):
        levels = [0] if number and len(lanes) == 1 and dice.random() < 0.3 else [0, 1, 2]
        world.add_worker(f"w{number}", device, levels=levels, lanes=served, jitter=lambda: dice.uniform(0.8, SLOWEST))
    for _ in range(60):
        world.send([random_arrival(dice, 6000.0, list(lanes))])
    for _ in range(deaths):
        world.clock.at(dice.uniform(0, 6000.0), lambda: _kill_any(world, dice))
    return world, bound


def _kill_any(world: Chaos, dice: random.Random) -> None:
    if world.workers:
        world.kill(dice.choice(list(world.workers)))


def _check(deaths: int, seeds: range, lanes: Sequence[str] = (LANE,)) -> None:
    waits = 0
    for seed in seeds:
        world, bound = _world(seed, deaths, lanes)
        world.clock.run(600_000.0)
        world.settled()
        waits += len(bound.gaps)
        for gap in bound.gaps:
            allowed_ms = gap.bound_ms + deaths * (LEASE_MS + 2000.0)
            assert gap.gap_ms <= allowed_ms, f"seed {seed}: {gap}"
    assert waits > len(seeds), "the worlds starve nobody: they show nothing"


@pytest.mark.parametrize("deaths", [0, 2])
def test_no_job_waits_longer_than_its_bound(deaths: int) -> None:
    """Over arbitrary arrivals, worker counts and service times, and with leases lost, every aged job starts in time."""
    _check(deaths, range(SEEDS))


def test_the_bound_holds_for_models_with_workers_of_their_own() -> None:
    """With two models and workers that serve one or both, an aged job counts on those that serve its lane."""
    _check(0, range(SEEDS), MODELS[:2])


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("deaths", [0, 2])
def test_no_job_waits_longer_than_its_bound_in_thousands_of_worlds(deaths: int) -> None:
    """The long form."""
    _check(deaths, range(SEEDS, SEEDS + SEEDS_SOAKED))


@pytest.mark.parametrize("seed", range(3))
def test_a_low_job_under_overload_is_served_within_its_bound(seed: int) -> None:
    """At 120 % of capacity for 60 s the low job ends, and each of its waits is within A + T + F."""
    run = play(overload(seed), "mlfq")
    assert run.waits_ms["low"][0] < 60_000.0
    assert run.bound is not None
    assert run.bound.gaps
    assert all(gap.gap_ms <= gap.bound_ms for gap in run.bound.gaps)


def test_strict_priority_has_no_such_bound() -> None:
    """The same job under strict priority waits until the overload is over: the bound is the feedback queue's doing."""
    assert play(overload(0), "strict").waits_ms["low"][0] > 60_000.0


def test_with_two_workers_what_is_queued_ahead_counts_in_full() -> None:
    """Two workers have just begun a batch and have one ahead: an aged job alone in its ring starts two batches later.

    That is why F has (2 + prefetched) batches: with (1 + prefetched), and half a batch as T, it would come too late.
    """
    scene = Scene()
    batch_ms = scene.cost[0] + 10 * scene.cost[1]
    scene.worker("one")
    scene.worker("two")
    scene.jobs(*(submission(f"flood {k}", 10, client="flood", priority=HIGH) for k in range(4)))
    running = [scene.claim("one"), scene.claim("two")]
    scene.jobs(*(submission(f"more {k}", 10, client="flood", priority=HIGH) for k in range(2)))
    scene.job("low", 10, priority=LOW, client="patient")
    scene.later(2000)
    started_ms = 0.0
    for _ in range(3):
        scene.later(batch_ms)
        started_ms += batch_ms
        for worker, batch in zip(("one", "two"), running, strict=True):
            scene.end(batch, worker)
        running = [scene.claim(worker) for worker in ("one", "two") if scene.queue]
        if any(jobs_of(batch) == ["low"] for batch in running):
            break
    assert started_ms == pytest.approx(2 * batch_ms)
