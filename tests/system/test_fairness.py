"""The queue's fairness on a running system, asserted on its own records: shares, counts and orders, no times."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median

import pytest

from benchmarks.fairness.beside import BULK, SINGLES, Block, arrivals, block
from benchmarks.fairness.overload import PATIENT, Bound, Endured, Overload, endure, users
from benchmarks.fairness.rivals import MANY, ONE_JOB, Shares, rivals
from benchmarks.fairness.stage import Stage, stage
from scheduler.core.config import CoreConfig
from tests.system.load import PICTURE

pytestmark = [pytest.mark.system, pytest.mark.slow]

GENERAL = {"general": ()}
RESERVED = {"reserved": ("--levels", "0"), "general": ()}
# Sleeps need no processor: with batches this long a busy machine's delays weigh little.
LONG = "synthetic:base_ms=10,item_ms=40"
LONG_BATCH_MS = 410.0


@contextmanager
def _up(
    clients: Sequence[str],
    workers: Mapping[str, Sequence[str]],
    model: str,
    env: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """A system that has run a few batches."""
    # A short path: Redis' socket lies in it.
    with (
        tempfile.TemporaryDirectory(prefix="tffair") as folder,
        stage(Path(folder), clients, workers, model, env) as up,
    ):
        asyncio.run(_warm(up, clients[0]))
        yield up


async def _warm(up: Stage, client: str) -> None:
    async with up.caller(client) as caller:
        accepted = await caller.submit([PICTURE] * 20)
        await caller.until_final(accepted["id"])


def _rivals(images: int, model: str) -> Shares:
    with _up((ONE_JOB, MANY), GENERAL, model) as up:
        return asyncio.run(rivals(up, images, PICTURE))


def _endure(plan: Overload, model: str, env: Mapping[str, str]) -> Endured:
    with _up((PATIENT, *users(plan.clients)), GENERAL, model, env) as up:
        return asyncio.run(endure(up, plan, PICTURE))


def _beside(singles: int, workers: Mapping[str, Sequence[str]], model: str, lead_s: float) -> Block:
    with _up((SINGLES, BULK), workers, model) as up:
        return asyncio.run(block(up, arrivals(singles, seed=1, lead_s=lead_s), PICTURE, jobs=True, lead_s=lead_s))


def _check_endured(found: Endured, plan: Overload, config: CoreConfig) -> None:
    """The bound in batches: each takes at least the model's cost, so that no more of them fit into it."""
    bound = Bound(config, plan.clients + 1, plan.batch_cost_ms)
    assert sum(found.gaps_ms) > 0
    assert found.aged >= 1
    assert found.starts_under_load >= 2
    assert max(found.overtaken) <= ceil(bound.ms / plan.batch_cost_ms), found.overtaken


def test_a_low_job_starts_again_and_again_under_overload() -> None:
    """At 120 % of capacity the `low` job ages and starts; no more batches overtake it than its bound has room for."""
    plan = Overload(seconds=12.0, clients=2, images=20, batch_cost_ms=LONG_BATCH_MS)
    config = CoreConfig(boost_after_ms=1000.0)
    found = _endure(plan, LONG, {"TENFOLD_BOOST_AFTER_MS": "1000"})
    _check_endured(found, plan, config)


def test_single_images_leave_bulk_to_the_general_worker() -> None:
    """With a worker reserved for level 0 nine of ten singles at least find it, and none waits for a bulk's images."""
    found = _beside(20, RESERVED, LONG, lead_s=1.0)
    _check_reserved(found)


def _check_reserved(found: Block) -> None:
    counted = found.singles
    by_reserved = sum(one.worker.startswith("reserved") for one in counted)
    assert by_reserved >= 0.7 * len(counted), [one.worker for one in counted]
    # A bulk's shortest micro-batch takes 50 ms here and the usual one 90: half the singles would wait longer than 30.
    assert sum(one.blocked_ms > 30.0 for one in counted) <= 0.1 * len(counted), [one.blocked_ms for one in counted]


def _check_shares(found: Shares) -> None:
    assert len(found.shares) >= 5, found
    assert 0.4 <= median(found.shares) <= 0.6, found.shares


def test_two_clients_get_even_shares_whatever_the_size_of_their_jobs() -> None:
    """One job against as many single images: over the windows in which both wait, the middle share is 40 to 60 %."""
    _check_shares(_rivals(150, LONG))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("round_", range(3))
def test_two_clients_get_even_shares_of_five_hundred_images_each(round_: int) -> None:
    """The long form, of the benchmark's size."""
    _check_shares(_rivals(500, "synthetic:base_ms=5,item_ms=20"))


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_low_job_ends_within_a_minute_of_overload() -> None:
    """At 120 % of capacity from twenty users a 30-image `low` job ends while the overload lasts, within its bound."""
    plan = Overload(seconds=60.0, clients=20, images=30)
    found = _endure(plan, "synthetic:base_ms=5,item_ms=20", {})
    _check_endured(found, plan, CoreConfig())
    assert found.starts_under_load == found.starts


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_hundreds_of_single_images_leave_bulk_to_the_general_worker() -> None:
    """The long form."""
    _check_reserved(_beside(300, RESERVED, LONG, lead_s=10.0))
