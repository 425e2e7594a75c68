"""Every check there is, each by its name: what a faulty core must not get past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scheduler.core.decisions import DispatchBatch, TraceKind
from scheduler.simulate.figures import play as play_workload
from scheduler.simulate.figures import service_by_client
from scheduler.simulate.workloads import one_greedy_client
from tenfold.contract.errors import IllegalTransition
from tests.simulation.chaos import Mishaps, play
from tests.simulation.watch import Broken, require
from tests.unit.scheduler.core.scene import HIGH, LOW, Scene, jobs_of, submission

WORLDS = [(seed, Mishaps(deaths=1, vanishings=1)) for seed in range(8)]
WORLDS += [(seed, Mishaps(late=0.2, doubled=0.3)) for seed in range(4)]
WORLDS += [(seed, Mishaps(restarts=2)) for seed in range(4)]


def _world(seed: int, mishaps: Mishaps) -> None:
    try:
        play(seed, mishaps)
    except IllegalTransition as error:
        raise Broken("once", str(error)) from error


def _turns() -> None:
    scene = Scene()
    scene.worker()
    scene.jobs(*(submission(f"a{k}", 50, client="a") for k in range(3)), submission("b", 50, client="b"))
    served = [jobs_of(scene.run_one())[0] for _ in range(8)]
    require(served.count("b") == 4, "turns", f"of eight batches b got {served.count('b')}")
    require(len(set(served)) == 4, "turns", f"of a's jobs only {set(served)} were served")


def _strict_order() -> None:
    scene = Scene()
    scene.worker()
    scene.jobs(submission("bulk", 100, client="a"), submission("single", 3, client="a"))
    first = next(one for one in scene.decisions if isinstance(one, DispatchBatch))
    require(first.level == 0, "strict order", "bulk goes first")
    require(scene.run_one().level == 0, "strict order", "bulk went first")


def _overtaking() -> None:
    scene = Scene()
    scene.worker()
    scene.job("bulk", 100)
    scene.claim()
    scene.job("urgent", 10)
    require([batch.level for batch in scene.queue] == [0, 2], "overtaking", "an urgent batch does not overtake bulk")


def _hand_back() -> None:
    scene = Scene()
    scene.worker()
    scene.jobs(submission("a", 40), submission("b", 40))
    scene.end(scene.claim(), left=range(4, 10))
    scene.run_one()
    items = scene.queue[0].items[:6]
    require(items == [("a", k) for k in range(4, 10)], "hand-back", f"{items} go next")
    scene = Scene()
    scene.worker()
    scene.jobs(submission("a1", 40, client="a"), submission("a2", 40, client="a"), submission("b", 40, client="b"))
    scene.end(scene.claim(), left=range(4, 10))
    scene.run_one()
    require(jobs_of(scene.queue[0])[0] == "a1", "hand-back", f"{jobs_of(scene.queue[0])} go next of a's jobs")


def _alone() -> None:
    scene = Scene()
    scene.worker()
    scene.job("j", 10)
    scene.lose(scene.claim(), left=range(10), alone=[4])
    batches = []
    while scene.queue:
        batches.append(scene.run_one().items)
    require([("j", 4)] in batches, "alone", f"{batches}: the suspect does not run alone")


def _workers() -> None:
    scene = Scene()
    scene.job("j", 10)
    require(not scene.queue, "no workers", "a batch goes to nobody")


def _allotment() -> None:
    scene = Scene()
    scene.worker()
    scene.job("j", 60)
    levels = [scene.run_one().level for _ in range(6)]
    require(levels == [1, 1, 1, 1, 1, 2], "allotment", f"{levels}")


def _entry() -> None:
    scene = Scene()
    for count, level in ((10, 0), (11, 1), (60, 1), (61, 2)):
        scene.job(f"j{count}", count)
        require(scene.level(f"j{count}") == level, "entry", f"{count} images enter at {scene.level(f'j{count}')}")
    scene.job("high", 100, priority=HIGH)
    scene.job("low", priority=LOW)
    require((scene.level("high"), scene.level("low")) == (0, 2), "entry", "high or low")


def _filling() -> None:
    for item_ms, size in ((0.25, 10), (20.0, 1)):
        scene = Scene()
        scene.worker()
        scene.learn(3.0, item_ms)
        scene.jobs(submission("bulk", 200), submission("single"))
        require(scene.sizes()[0] == size, "filling", f"{scene.sizes()[0]} items at {item_ms} ms each")


def _client_share() -> None:
    run = play_workload(replace(one_greedy_client(0), until_ms=30_000.0), "mlfq")
    given = service_by_client(run, 2_000.0, 12_000.0)
    share = given.get("bulk", 0.0) / sum(given.values())
    require(0.4 <= share <= 0.6, "client share", f"the bulk client got {share:.2f}")


def _least_served() -> None:
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.jobs(submission("a", 400, client="a"), submission("b", 400, client="b"))
    costly = {"a": 40.0, "b": 20.0}
    served = {"a": 0, "b": 0}
    for _ in range(40):
        batch = scene.claim()
        name = jobs_of(batch)[0]
        served[name] += 1
        scene.end(batch, pieces=[(len(batch.items), len(batch.items) * costly[name])])
    require(served["b"] >= 1.6 * served["a"], "least served", f"{served}: a's images cost twice as much")


def _idle_time() -> None:
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("old", 1000, client="a")
    for _ in range(50):
        scene.run_one()
    scene.job("new", 1000, client="b")
    served = [jobs_of(scene.run_one())[0] for _ in range(20)]
    require(served.count("old") >= 8, "idle time", f"the newcomer got {served.count('new')} of 20 batches")


def _one_turn() -> None:
    scene = Scene()
    scene.worker()
    scene.job("first", 10)
    scene.claim()
    scene.job("low", 100, priority=LOW)
    scene.job("more", 10)
    scene.queue.sort(key=lambda batch: (batch.level, batch.batch_id))
    scene.later(2500)
    kinds = scene.traces("low")
    require(TraceKind.AGED in kinds, "one turn", "it does not age")
    for _ in range(4):
        scene.run_one()
    require(TraceKind.HOMED in scene.traces("low"), "one turn", "it stays at level 0")
    require("low" in scene.core.jobs and scene.level("low") == 2, "one turn", "it is not home")


def _rejected() -> None:
    scene = Scene()
    scene.worker()
    scene.job("j", 5, rejected=[1, 3])
    indexes = [index for _, index in scene.queue[0].items]
    require(indexes == [0, 2, 4], "rejected", f"{indexes} were dispatched")


def _open_jobs() -> None:
    scene = Scene()
    scene.worker()
    scene.job("j", 5, open=True)
    scene.run_one()
    require("j" in scene.core.jobs, "open", "it ended while it was open")
    scene.extend("j", 5, 5)
    scene.extend("j", 5, 5)
    items = scene.run_one().items
    require(items == [("j", k) for k in range(5, 10)], "extension", f"{items} go after an extension told twice")
    require(not scene.queue, "extension", f"{scene.queue} go, too")
    scene.close("j")
    require("j" not in scene.core.jobs, "close", "it is closed and done, and stays")


def _growing() -> None:
    scene = Scene()
    scene.worker()
    levels = []
    for index in range(0, 100, 5):
        if index:
            scene.extend("j", index, 5)
        else:
            scene.job("j", 5, open=True)
        levels.append(scene.run_one().level)
    require(levels == [0] * 2 + [1] * 10 + [2] * 8, "level of an open job", f"{levels}: it grows by five")


def _idle_open_job() -> None:
    scene = Scene()
    scene.worker()
    scene.learn(5.0, 20.0)
    scene.job("idle", 0, client="a", open=True)
    scene.job("busy", 2000, client="b")
    for _ in range(50):
        scene.run_one()
    scene.extend("idle", 0, 1000)
    served = [jobs_of(scene.run_one())[0] for _ in range(20)]
    require(served.count("busy") >= 8, "idle while open", f"{served.count('idle')} of 20 batches went to who was idle")


CHECKS: dict[str, Callable[[], None]] = {
    check.__name__: check
    for check in (
        _turns, _strict_order, _overtaking, _hand_back, _allotment, _entry, _filling,
        _client_share, _least_served, _idle_time, _one_turn, _rejected, _alone, _workers,
        _open_jobs, _growing, _idle_open_job,
    )
}  # fmt: skip


def caught(wanted: str) -> set[str]:
    """The names of the checks that fail; stops when ``wanted`` is among them."""
    names: set[str] = set()
    checks = [*CHECKS.values(), *(lambda seed=seed, mishaps=mishaps: _world(seed, mishaps) for seed, mishaps in WORLDS)]
    for check in checks:
        try:
            check()
        except Broken as broken:
            names.add(broken.check)
        except AssertionError:
            names.add("invariants")
        except (IndexError, KeyError):
            names.add("stuck")
        if wanted in names:
            break
    return names
