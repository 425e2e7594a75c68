"""What is asked of the system: presets from the research, and files of one's own."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.simulate.engine import Arrival
from scheduler.simulate.model_worker import Device
from tenfold.contract.errors import SettingsError
from tenfold.contract.records import Priority


@dataclass(frozen=True, slots=True)
class Workload:
    """Arrivals and the machine that meets them.

    Attributes:
        levels: for each worker the levels that it serves.
        until_ms: when the simulation stops, whatever is left.
    """

    name: str
    about: str
    arrivals: list[Arrival]
    device: Device = field(default_factory=Device)
    levels: list[tuple[int, ...]] = field(default_factory=lambda: [(0, 1, 2)])
    until_ms: float = float("inf")


def poisson(rate_per_s: float, from_ms: float, until_ms: float, dice: random.Random) -> list[float]:
    """Times of arrivals that know nothing of each other."""
    times, at_ms = [], from_ms
    while (at_ms := at_ms + dice.expovariate(rate_per_s) * 1000.0) < until_ms:
        times.append(at_ms)
    return times


def singles(times: Iterable[float], client: Callable[[int], str]) -> list[Arrival]:
    """A single-image request at each of ``times``, the k-th by ``client(k)``."""
    return [Arrival(at_ms, client(k), 1, kind="single") for k, at_ms in enumerate(times)]


def interactive_and_bulk(seed: int) -> Workload:
    """Workload (a): two images a second beside 200-image jobs."""
    until_ms = 60_000.0
    arrivals = singles(poisson(2.0, 0.0, until_ms, random.Random(seed)), lambda _: "interactive")
    bulk = [Arrival(1_000.0 + 10_000.0 * k, "bulk", 200, kind="bulk") for k in range(6)]
    return Workload("interactive+bulk", "single images at 2/s beside 200-image jobs, one slow worker", arrivals + bulk)


def one_greedy_client(seed: int) -> Workload:  # noqa: ARG001  # every preset takes a seed
    """Workload (d): one client's 500-image job against another's 500 single images sent at once."""
    arrivals = [Arrival(0.0, "bulk", 500, kind="bulk"), *singles([0.0] * 500, lambda _: "greedy")]
    return Workload("one greedy client", "a 500-image job against 500 single images sent at once", arrivals)


def overload(seed: int) -> Workload:
    """Workload (c): single images at 120 % of what the worker can do, and a low job."""
    device = Device()
    rate = 1.2 * 10_000.0 / device.cost_ms(10)
    arrivals = singles(poisson(rate, 0.0, 60_000.0, random.Random(seed)), lambda k: f"user {k % 20}")
    low = Arrival(1_000.0, "patient", 30, Priority.LOW, kind="low")
    return Workload("overload", "20 users at 120 % of capacity, and one low 30-image job", [*arrivals, low], device)


def burst(seed: int) -> Workload:  # noqa: ARG001  # every preset takes a seed
    """Workload (g): fifty single images every five seconds beside a large job."""
    arrivals = [Arrival(0.0, "bulk", 2_000, kind="bulk")]
    arrivals += singles([5_000.0 * k for k in range(12) for _ in range(50)], lambda _: "bursty")
    return Workload("burst", "50 single images every 5 s beside a 2000-image job", arrivals, until_ms=60_000.0)


def gpu(seed: int) -> Workload:
    """Workload (f): two fast devices, eight hundred single images a second and two large jobs."""
    until_ms = 4_000.0
    arrivals = singles(poisson(800.0, 0.0, until_ms, random.Random(seed)), lambda k: f"user {k % 50}")
    arrivals += [Arrival(0.0, f"bulk {k}", 10_000, kind="bulk") for k in range(2)]
    device = Device(3.0, 0.25, claim_ms=2.0)
    return Workload(
        "gpu",
        "two GPU-like workers, 800 single images/s, two 10 000-image jobs",
        arrivals,
        device,
        [(0, 1, 2)] * 2,
        until_ms,
    )


PRESETS: dict[str, Callable[[int], Workload]] = {
    "interactive+bulk": interactive_and_bulk,
    "one greedy client": one_greedy_client,
    "overload": overload,
    "burst": burst,
    "gpu": gpu,
}


def load(path: Path, seed: int) -> Workload:
    """The workload in a TOML file: a device, workers and arrivals, each once or repeated.

    Raises:
        SettingsError: the file is no workload; the message says what is wrong.
    """
    try:
        data = tomllib.loads(path.read_text())
        device = Device(**data.get("device", {}))
        dice = random.Random(seed)
        arrivals = [arrival for entry in data["arrivals"] for arrival in _arrivals(dict(entry), dice)]
        workers = [tuple(worker["levels"]) for worker in data.get("workers", [{"levels": [0, 1, 2]}])]
        return Workload(
            path.stem, data.get("about", str(path)), arrivals, device, workers, data.get("until_ms", float("inf"))
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path} is no workload: {error!r}; docs/scheduling.md shows one") from error


def _arrivals(entry: dict[str, object], dice: random.Random) -> list[Arrival]:
    """One arrival, ``repeat`` of them ``every_ms``, or a Poisson stream of ``rate_per_s`` until ``until_ms``."""
    start_ms = float(str(entry.pop("at_ms", 0.0)))
    rate = float(str(entry.pop("rate_per_s", 0.0)))
    until_ms = float(str(entry.pop("until_ms", 0.0)))
    repeat = int(str(entry.pop("repeat", 1)))
    every_ms = float(str(entry.pop("every_ms", 0.0)))
    times = poisson(rate, start_ms, until_ms, dice) if rate else [start_ms + every_ms * k for k in range(repeat)]
    images = int(str(entry.pop("images", 1)))
    priority = Priority(str(entry.pop("priority", "normal")))
    client = str(entry.pop("client", "somebody"))
    kind = str(entry.pop("kind", "single" if images == 1 else "bulk"))
    if entry:
        raise ValueError(f"unknown fields {sorted(entry)}")
    return [Arrival(at_ms, client, images, priority, kind=kind) for at_ms in times]
