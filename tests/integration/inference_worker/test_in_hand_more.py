"""Whatever strikes a worker that has a batch in hand, and whenever: nothing is lost, doubled, leaked or left untold."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from inference_worker.resident import Resident
from inference_worker.telling import Tale, Telling
from models.detector import ModelSpec
from tenfold.contract.events import BatchEnded, BatchLost
from tenfold.store.worker_store import Claim
from tests.integration.inference_worker.colleague import Colleague
from tests.integration.inference_worker.dispatching import Desk
from tests.unit.inference_worker.toy import SIZE, Toy, picture

Hire = Callable[..., Colleague]

IMAGES = 8
BATCHES = 4


@dataclass
class OneTale(Tale):
    ends: list[bool]

    def over(self, ended_s: float, *, committed: bool) -> None:  # noqa: ARG002 - only how it ended counts
        self.ends.append(committed)


@dataclass
class Tales(Telling):
    """Remembers how each batch is said to have ended."""

    ends: dict[str, list[bool]] = field(default_factory=dict)

    def batch(self, claim: Claim) -> Tale:
        return OneTale(self.ends.setdefault(claim.batch.id, []))


def reap_later(desk: Desk) -> list[str]:
    """What the reaper takes back once every lease has run out."""
    return list(replace(desk.scheduler, injected_now_ms=int(desk.now_ms()) + 60_000).reap(desk.token))


def reload(worker: Colleague) -> None:
    worker.runner.swap(Resident.of(Toy(spec=ModelSpec("toy", "2", ("thing",), (SIZE,), 32))))


STRIKES: dict[str, Callable[[Colleague], object]] = {
    "connections break": lambda worker: worker.desk.client.client_kill_filter(_type="normal", skipme=False),
    "scripts are forgotten": lambda worker: worker.desk.client.script_flush(),
    "told to stop": lambda worker: worker.stop.set(),
    "leases run out": lambda worker: reap_later(worker.desk),
    "model is reloaded": reload,
}


def left_over(desk: Desk, batches: list[str]) -> list[int]:
    """The images that were handed back or lost, and so wait for a batch of theirs again."""
    return [
        2 * batches.index(event.batch_id) + position
        for event in desk.events()
        if isinstance(event, BatchEnded | BatchLost)
        for position in event.left
    ]


@pytest.mark.parametrize("batch", range(1, BATCHES + 1))
@pytest.mark.parametrize("when", ["before it", "while it computes"])
@pytest.mark.parametrize("what", STRIKES)
def test_whatever_strikes(desk: Desk, hire: Hire, what: str, when: str, batch: int) -> None:
    """Each batch's tale has one end, every lease and connection is given back, and every image gets one result."""
    worker, tales = hire(), Tales()
    worker.worker._telling = tales
    desk.submit("a", [picture()] * IMAGES)
    batches = desk.dispatch_job("a", batch_size=IMAGES // BATCHES)
    begun = 0

    def before_a_batch() -> None:
        nonlocal begun
        begun += 1
        if when == "before it" and begun == batch:
            STRIKES[what](worker)

    def while_it_computes(run: int) -> None:
        if when == "while it computes" and run == batch:
            STRIKES[what](worker)

    worker.toy.before = while_it_computes
    worker.work(between=before_a_batch)
    assert {len(ends) for ends in tales.ends.values()} == {1}
    if what == "connections break":
        assert all(ends == [True] for ends in tales.ends.values())
    assert worker.worker.held.batches() == []
    assert not desk.client.connection_pool._in_use_connections

    reap_later(desk)
    for index in left_over(desk, batches):
        desk.dispatch(("a", index))
    hire("w2").work()
    assert desk.state("a") == "succeeded"
    assert sorted(map(int, desk.client.lrange(desk.keys.order("a"), 0, -1))) == list(range(IMAGES))
    assert desk.client.zcard(desk.keys.leases) == desk.client.hlen(desk.keys.computing) == 0


def test_results_keep_the_version_that_they_were_computed_with(desk: Desk, hire: Hire) -> None:
    """A model that changes between two batches computes what is in hand; what waits for its commit is the old one's.

    Of the new one it is not known whether it is quick, so nothing is in hand beside its first batch.
    """
    worker = hire()
    desk.submit("a", [picture()] * IMAGES)
    desk.dispatch_job("a", batch_size=IMAGES // BATCHES)
    begun: list[bool] = []

    def between() -> None:
        begun.append(worker.worker._turns._before is not None)
        if len(begun) == BATCHES - 1:
            reload(worker)

    worker.work(between=between)
    assert begun == [False, False, True, False]
    versions = [result.batch.version for _, result in sorted(desk.results("a").items()) if result.batch is not None]
    assert versions == ["1"] * 4 + ["2"] * 4
