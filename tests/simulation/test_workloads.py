"""The research's workloads on a virtual clock: each figure that the rules were chosen for still comes out."""

import pytest

from scheduler.core import Core, CoreConfig
from scheduler.simulate.engine import Arrival, Engine
from scheduler.simulate.figures import Run, fairness, percentile, play, service_by_client
from scheduler.simulate.model_worker import Device
from scheduler.simulate.workloads import Workload, burst, gpu, poisson, singles
from tenfold.contract.records import Priority
from tests.simulation.seeds import dice


def _mlfq(arrivals: list[Arrival], device: Device, workers: int = 1, until_ms: float = float("inf")) -> Run:
    return play(Workload("test", "test", arrivals, device, [(0, 1, 2)] * workers, until_ms), "mlfq")


def _bulk_in_a_row(device: Device, others: list[Arrival], images: int, until_ms: float) -> tuple[Engine, list[float]]:
    """Play ``others`` beside jobs in a row; how long each of them took, less the others' service meanwhile."""
    engine = Engine(Core(CoreConfig(epoch=1)))
    engine.add_worker("w", device)
    engine.send(others)
    took: list[float] = []

    def send() -> None:
        if engine.clock.now_ms < until_ms:
            follow(engine.submit(Arrival(engine.clock.now_ms, "bulk", images, kind="bulk")), engine.clock.now_ms)

    def follow(job_id: str, since_ms: float) -> None:
        job = engine.truth.jobs[job_id]
        if not job.final:
            engine.clock.after(1.0, lambda: follow(job_id, since_ms))
            return
        beside = sum(since_ms <= arrival.at_ms <= job.ended_ms for arrival in others)
        took.append(job.ended_ms - since_ms - beside * device.cost_ms(1))
        send()

    engine.clock.at(10_000.0, send)
    engine.clock.run()
    return engine, took


@pytest.mark.parametrize(
    ("rate", "item_ms", "ratio_most", "job_most"), [(2.0, 20.0, 2.0, 1.15), (16.0, 12.0, 2.0, 1.18)]
)
def test_single_images_are_hardly_slowed_by_a_bulk_job_and_it_hardly_by_them(
    rate: float, item_ms: float, ratio_most: float, job_most: float
) -> None:
    """Workloads (a) and (b): the singles' p99 at most doubles, and the job takes little more than alone."""
    device = Device(5.0, item_ms)
    until_ms = 600_000.0 / rate
    others = singles(poisson(rate, 0.0, until_ms, dice(1)), lambda _: "interactive")
    alone = percentile(_mlfq(others, device).waits_ms["single"], 0.99)
    job_alone = _mlfq([Arrival(0.0, "bulk", 200, kind="bulk")], device).waits_ms["bulk"][0]
    engine, took = _bulk_in_a_row(device, others, 200, until_ms - 2 * job_alone)
    jobs = engine.truth.jobs
    beside = [
        jobs[job_id].ended_ms - arrival.at_ms + 3.0
        for job_id, arrival in engine.arrivals.items()
        if arrival.kind == "single"
    ]
    assert percentile(beside, 0.99) <= ratio_most * alone
    assert sum(took) / len(took) <= job_most * job_alone


def test_a_bulk_job_alone_keeps_its_speed() -> None:
    """Rule 10: cutting batches into pieces costs a lone job at most three per cent."""
    device = Device(5.0, 20.0)
    alone = _mlfq([Arrival(0.0, "bulk", 200, kind="bulk")], device).waits_ms["bulk"][0]
    plain = play(Workload("x", "x", [Arrival(0.0, "bulk", 200, kind="bulk")], device), "fifo").waits_ms["bulk"][0]
    assert plain / alone >= 0.97


@pytest.mark.parametrize("clients", [1, 20, 10_000])
def test_a_low_job_ends_under_overload(clients: int) -> None:
    """Workload (c): at 120 % of capacity from one client, twenty, or a new one each time, the low job ends."""
    device = Device(5.0, 20.0)
    rate = 1.2 * 10_000.0 / device.cost_ms(10)
    arrivals = singles(poisson(rate, 0.0, 60_000.0, dice(2)), lambda k: f"c{k % clients}")
    run = _mlfq([*arrivals, Arrival(1000.0, "low", 30, Priority.LOW, kind="low")], device)
    assert run.waits_ms["low"][0] <= 25_000.0
    assert run.bound is not None
    assert all(gap.gap_ms <= gap.bound_ms for gap in run.bound.gaps)


@pytest.mark.parametrize("over_ms", [0.0, 400.0, 1000.0])
@pytest.mark.parametrize("at_ms", [0.0, 300.0])
def test_two_backlogged_clients_share_evenly_whatever_the_size_of_their_jobs(at_ms: float, over_ms: float) -> None:
    """Workload (d): in any five seconds in which both have work waiting each gets 40 to 60 % of the service."""
    arrivals = [Arrival(0.0, "bulk", 500, kind="bulk")]
    arrivals += singles((at_ms + over_ms * k / 500 for k in range(500)), lambda _: "greedy")
    run = _mlfq(arrivals, Device(5.0, 20.0))
    both_until_ms = min(
        max(piece.start_ms for piece in run.engine.history.pieces if kind in _clients(run, piece.items))
        for kind in ("bulk", "greedy")
    )
    start_ms = at_ms + over_ms
    while start_ms + 5000.0 <= both_until_ms:
        given = service_by_client(run, start_ms, start_ms + 5000.0)
        assert 0.4 <= given["bulk"] / (given["bulk"] + given["greedy"]) <= 0.6, f"from {start_ms} ms: {given}"
        start_ms += 100.0
    assert (fairness(run) or 0.0) >= 0.98


def _clients(run: Run, items: list[tuple[str, int]]) -> set[str]:
    return {run.engine.arrivals[job_id].client for job_id, _ in items}


@pytest.mark.parametrize("another", [False, True])
def test_a_clients_own_bulk_does_not_slow_its_single_images(another: bool) -> None:
    """Workload (e): one client's singles beside its own bulk stay quick, also with another bulk client."""
    arrivals = [Arrival(0.0, "one", 3000, kind="bulk")]
    arrivals += singles(poisson(2.0, 0.0, 60_000.0, dice(3)), lambda _: "one")
    if another:
        arrivals.append(Arrival(0.0, "two", 3000, kind="bulk"))
    run = _mlfq(arrivals, Device(5.0, 20.0), until_ms=60_000.0)
    assert percentile(run.waits_ms["single"], 0.99) <= 120.0


def test_two_fast_devices_are_kept_busy() -> None:
    """Workload (f): filled batches and overlapped claims keep GPU-like workers at 0.97 of the plain loop and more."""
    run = play(gpu(0), "mlfq")
    images = sum(len(piece.items) for piece in run.engine.history.pieces)
    plain = 2 * 10 / 5.5 * run.workload.until_ms
    assert images / plain >= 0.97
    assert percentile(run.waits_ms["single"], 0.99) <= 30.0


def test_bursts_are_served_before_bulk() -> None:
    """Workload (g): fifty images at once take about as long as their own service, not as the bulk before them."""
    run = play(burst(0), "mlfq")
    assert percentile(run.waits_ms["single"], 0.5) <= 900.0
    assert percentile(run.waits_ms["single"], 0.95) <= 2100.0


def test_fifty_equal_clients_leave_single_images_alone() -> None:
    """Workload (h): fifty 20-image jobs end fairly, and five people's single images are as quick as ever."""
    arrivals = [Arrival(0.0, f"c{k}", 20, kind="bulk") for k in range(50)]
    arrivals += singles(poisson(2.0, 0.0, 20_000.0, dice(4)), lambda k: f"person {k % 5}")
    run = _mlfq(arrivals, Device(5.0, 20.0))
    assert max(run.waits_ms["single"]) <= 150.0
    assert sum(run.waits_ms["bulk"]) / 50 <= 20_000.0


def test_round_robin_among_many_bulk_clients_floods_no_level() -> None:
    """Workload (k): twenty bulk clients wait their turns without aging, so single images stay quick."""
    arrivals = [Arrival(0.0, f"c{k}", 2000, kind="bulk") for k in range(20)]
    arrivals += singles(poisson(2.0, 5_000.0, 120_000.0, dice(5)), lambda _: "interactive")
    run = _mlfq(arrivals, Device(5.0, 20.0), until_ms=120_000.0)
    assert percentile(run.waits_ms["single"], 0.99) <= 110.0


def test_level_0_never_waits_for_bulk_beside_a_reserved_worker() -> None:
    """With a worker reserved for level 0 and a general one, single images wait for each other alone."""
    device = Device(5.0, 20.0)
    others = singles(poisson(2.0, 0.0, 60_000.0, dice(6)), lambda _: "interactive")
    bulk = [Arrival(0.0, "bulk", 1000, kind="bulk")]
    run = play(Workload("x", "x", others + bulk, device, [(0,), (0, 1, 2)], 60_000.0), "mlfq")
    assert max(run.waits_ms["single"]) <= 2 * (device.cost_ms(1) + device.claim_ms) + 10.0


@pytest.mark.parametrize("device", [Device(5.0, 20.0), Device(20.0, 10.0), Device(50.0, 5.0)])
@pytest.mark.parametrize("before", [0, 100])
def test_the_eta_of_a_bulk_job_is_right_once_a_batch_of_it_has_run(device: Device, before: int) -> None:
    """Single images before it, priced far above an image of a full batch, make it no longer from then on."""
    core = Core(CoreConfig(epoch=1))
    engine = Engine(core)
    engine.add_worker("w", device)
    engine.send(singles([500.0 * k for k in range(before)], lambda _: "interactive"))
    # Nobody's single images are expected to go on by then.
    engine.send([Arrival(120_000.0, "bulk", 200, kind="bulk")])
    said: list[tuple[float, float]] = []

    def look(_event: object, _decisions: object) -> None:
        for job_id, job in core.jobs.items():
            if job.count == 200 and job.done >= 10:
                standing = core.standing(job_id, engine.clock.now_ms)
                assert standing is not None
                assert standing.eta_ms is not None
                said.append((engine.clock.now_ms, standing.eta_ms))

    engine.watch = look
    engine.clock.run()
    ended_ms = max(job.ended_ms for job in engine.truth.jobs.values())
    assert len(said) > 20
    for at_ms, eta_ms in said[: len(said) * 3 // 4]:
        assert eta_ms == pytest.approx(ended_ms - at_ms, rel=0.1), at_ms


@pytest.mark.parametrize("seed", range(3))
def test_the_eta_of_a_bulk_job_at_half_way_is_right_within_a_fifth(seed: int) -> None:
    """``eta_ms`` of 200-image jobs beside singles: the median error at half-way is under 20 %."""
    device = Device(5.0, 20.0)
    core = Core(CoreConfig(epoch=1))
    engine = Engine(core)
    engine.add_worker("w", device)
    engine.send(singles(poisson(4.0, 0.0, 60_000.0, dice(seed)), lambda _: "interactive"))
    engine.send([Arrival(2_000.0 * k, f"bulk {k}", 200, kind="bulk") for k in range(5)])
    said: dict[str, tuple[float, float]] = {}

    def look(_event: object, _decisions: object) -> None:
        for job_id, job in core.jobs.items():
            if job.count == 200 and job.done >= 100 and job_id not in said:
                standing = core.standing(job_id, engine.clock.now_ms)
                assert standing is not None
                assert standing.eta_ms is not None
                said[job_id] = (engine.clock.now_ms, standing.eta_ms)

    engine.watch = look
    engine.clock.run()
    errors = sorted(
        abs(eta_ms - (engine.truth.jobs[job_id].ended_ms - at_ms)) / (engine.truth.jobs[job_id].ended_ms - at_ms)
        for job_id, (at_ms, eta_ms) in said.items()
    )
    assert len(errors) == 5
    assert errors[2] < 0.2
