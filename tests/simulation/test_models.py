"""Several models: who gets how much of the workers, where each serves some of them."""

from __future__ import annotations

from collections import defaultdict

import pytest

from scheduler.core import Core, CoreConfig
from scheduler.simulate.engine import Arrival, Engine
from scheduler.simulate.model_worker import Device

ONE, OTHER = "one@640", "other@640"
DEVICE = Device(5.0, 20.0)
UNTIL_MS = 60_000.0


def play(workers: list[list[str]], arrivals: list[Arrival]) -> Engine:
    engine = Engine(Core(CoreConfig(epoch=1)))
    for number, lanes in enumerate(workers):
        engine.add_worker(f"w{number}", DEVICE, lanes=lanes)
    engine.send(arrivals)
    engine.clock.run(UNTIL_MS)
    return engine


def served_ms(engine: Engine) -> dict[str, float]:
    """Worker time by client."""
    found: defaultdict[str, float] = defaultdict(float)
    for piece in engine.history.pieces:
        for job_id, _ in piece.items:
            found[engine.arrivals[job_id].client] += (piece.end_ms - piece.start_ms) / len(piece.items)
    return found


def busy(engine: Engine) -> dict[str, float]:
    """The part of the time that each worker computed."""
    found: defaultdict[str, float] = defaultdict(float)
    for piece in engine.history.pieces:
        found[piece.worker] += piece.end_ms - piece.start_ms
    return {name: spent_ms / UNTIL_MS for name, spent_ms in found.items()}


def bulk(client: str, lane: str, images: int = 20_000) -> Arrival:
    return Arrival(0.0, client, images, lane=lane)


def test_models_on_the_same_workers_share_them_by_client() -> None:
    """Two clients with a model each get half of the workers each, whatever order they came in."""
    engine = play([[ONE, OTHER], [ONE, OTHER]], [bulk("a", ONE), bulk("b", OTHER)])
    given = served_ms(engine)
    assert 0.45 < given["a"] / sum(given.values()) < 0.55
    assert min(busy(engine).values()) > 0.9


def test_a_worker_of_both_models_evens_out_what_those_of_one_do() -> None:
    """With workers of one, of the other and of both, two bulk clients come to the same share, and nobody idles."""
    engine = play([[ONE], [OTHER], [OTHER], [ONE, OTHER]], [bulk("a", ONE), bulk("b", OTHER)])
    given = served_ms(engine)
    assert 0.45 < given["a"] / sum(given.values()) < 0.55
    assert min(busy(engine).values()) > 0.9


def test_a_backlog_of_one_model_leaves_no_worker_of_another_idle() -> None:
    """Ten workers of one model with a backlog, one of the other, one of both: each has work all the time."""
    workers = [[ONE], [ONE, OTHER], *([OTHER] for _ in range(10))]
    engine = play(workers, [bulk("b", OTHER, 40_000), bulk("a", ONE)])
    assert min(busy(engine).values()) > 0.9


def test_singles_of_one_model_do_not_wait_for_a_backlog_of_another() -> None:
    """Where both share a worker, a single image overtakes the other model's bulk as it would its own model's."""
    singles = [Arrival(2_000.0 + 500.0 * n, f"person {n % 5}", 1, lane=ONE) for n in range(100)]
    engine = play([[ONE, OTHER]], [bulk("b", OTHER), *singles])
    waits = sorted(
        job.started_ms - job.submission.submitted_ms
        for job_id, job in engine.truth.jobs.items()
        if engine.arrivals[job_id].images == 1
    )
    assert len(waits) == 100
    assert waits[-2] < 2 * DEVICE.cost_ms(10)


@pytest.mark.parametrize("others", [[[OTHER]], []], ids=["other workers", "no worker at all"])
def test_a_client_is_not_held_down_for_somebody_with_other_workers(others: list[list[str]]) -> None:
    """Beside its own bulk a client's single images go at once, whoever waits for another model's workers meanwhile."""
    workers = [*others, *([ONE] for _ in range(4))]
    singles = [Arrival(2_000.0 + 300.0 * n, "b", 1, lane=ONE) for n in range(150)]
    engine = play(workers, [bulk("a", OTHER), bulk("b", ONE, 80_000), *singles])
    waits = sorted(
        job.started_ms - job.submission.submitted_ms
        for job_id, job in engine.truth.jobs.items()
        if engine.arrivals[job_id].images == 1
    )
    assert waits[-8] < 2 * DEVICE.cost_ms(1)
