"""Loading a model anew in a worker that serves: when it changes, what comes of it, and what is left as it was."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from inference_worker.reloading import Reloading
from inference_worker.resident import Resident
from models.detector import ModelSpec
from tenfold.contract.codec import decode, encode
from tenfold.contract.events import WorkerJoined
from tenfold.contract.records import ModelInfo, ReloadOutcome, ReloadRequest, ReloadState, WorkerInfo
from tests.integration.inference_worker.colleague import Colleague
from tests.integration.waiting import wait_for
from tests.unit.inference_worker.toy import SIZE, Toy, picture


def toy(version: str, name: str = "toy", sizes: tuple[int, ...] = (SIZE,)) -> Toy:
    return Toy(spec=ModelSpec(name, version, ("thing",), sizes, 32))


@dataclass
class Shelf:
    """Stands for the file: ``there`` is what it holds, an exception what is wrong with it."""

    there: Toy | Exception = field(default_factory=lambda: toy("2"))
    warmed: list[str] = field(default_factory=list)
    made: int = 0

    def version(self, _source: str) -> str:
        if isinstance(self.there, Exception):
            raise self.there
        return self.there.spec.version

    def make(self, source: str) -> Resident:
        assert isinstance(self.there, Toy)
        self.made += 1
        return Resident.of(self.there, source)

    def warm(self, resident: Resident) -> None:
        self.warmed.append(resident.info.version)


def until_offered(reloading: Reloading) -> None:
    """Wait until a loaded version may be taken."""
    wait_for(lambda: reloading._offered is not None)


@dataclass
class Reloaded:
    """A worker that can be told to reload."""

    worker: Colleague
    shelf: Shelf
    reloading: Reloading
    asked: int = 0

    def ask(self, model: str = "toy") -> str:
        """Ask for a reload, as the gateway does; its id."""
        self.asked += 1
        request = ReloadRequest(f"r{self.asked}", model, "1", 0.0, [self.worker.name])
        self.worker.desk.client.hset(self.worker.desk.keys.reloads, model, encode(request))
        return request.id

    def outcome(self, reload_id: str) -> ReloadOutcome | None:
        raw = self.worker.desk.client.hget(self.worker.desk.keys.reload(reload_id), self.worker.name)
        return None if raw is None else decode(raw, ReloadOutcome)

    def until(self, condition: Callable[[], object]) -> None:
        """Go on as an idle worker does, until ``condition`` holds."""

        def settled() -> object:
            self.reloading.settle()
            return condition()

        wait_for(settled)

    def ended(self, reload_id: str) -> ReloadOutcome:
        """What came of a reload, once the worker is done with it."""
        self.until(lambda: (told := self.outcome(reload_id)) is not None and told.state is not ReloadState.LOADING)
        told = self.outcome(reload_id)
        assert told is not None
        return told

    def versions(self, job_id: str) -> dict[str, set[str | None]]:
        """Batch → the versions in its images' results, in the order of dispatch."""
        found: dict[str, set[str | None]] = {}
        for result in self.worker.desk.results(job_id).values():
            assert result.batch is not None
            found.setdefault(result.batch.id, set()).add(result.batch.version)
        return dict(sorted(found.items()))


def reloading_of(worker: Colleague, shelf: Shelf, seen: Mapping[str, str] | None = None) -> Reloading:
    swap, rejoin = worker.runner.swap, worker.worker.rejoin
    return Reloading(worker.store, worker.residents, shelf, seen or {}, swap, rejoin, look_each_s=0.01)


@pytest.fixture
def reloaded(hire: Callable[..., Colleague]) -> Iterator[Reloaded]:
    worker = hire()
    shelf = Shelf()
    made = Reloaded(worker, shelf, reloading_of(worker, shelf))
    made.reloading.start()
    yield made
    made.reloading.stop()
    assert not made.reloading.is_loading()


def test_a_batch_that_runs_ends_with_the_version_that_it_began_with(reloaded: Reloaded) -> None:
    """A version that is ready while a batch computes is taken before the next one; no batch has two."""
    worker, desk = reloaded.worker, reloaded.worker.desk
    desk.submit("a", [picture()] * 30)
    desk.dispatch_job("a")
    worker.cut_finely()

    def ready(run: int) -> None:
        if run == 1:
            reloaded.ask()
            until_offered(reloaded.reloading)

    worker.toy.before = ready
    worker.work(reloaded.reloading.settle)
    assert list(reloaded.versions("a").values()) == [{"1"}, {"2"}, {"2"}]
    assert desk.state("a") == "succeeded"


def test_the_worker_tells_what_it_holds_now(reloaded: Reloaded) -> None:
    """After a reload the outcome, the catalogue, the worker's record and the scheduler all have the new version."""
    told = reloaded.ended(reloaded.ask())
    assert told == ReloadOutcome(ReloadState.SERVED, "2")
    assert reloaded.shelf.warmed == ["2"]
    desk = reloaded.worker.desk
    assert decode(desk.client.hget(desk.keys.models, "toy"), ModelInfo).version == "2"
    assert decode(desk.client.hget(desk.keys.workers, "w1"), WorkerInfo).version_of("toy") == "2"
    joined = [event.worker.version_of("toy") for event in desk.events() if isinstance(event, WorkerJoined)]
    assert joined == ["1", "2"]
    reloaded.worker.worker.pulse([])
    assert decode(desk.client.hget(desk.keys.workers, "w1"), WorkerInfo).version_of("toy") == "2"


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (ValueError("no whole file"), "no whole file"),
        (toy("2", name="other"), "is model 'other' now"),
        (toy("2", sizes=(128,)), "does not take the input sizes 64"),
    ],
    ids=["unreadable", "another model", "other sizes"],
)
def test_what_cannot_stand_in_leaves_the_old_version_serving(
    reloaded: Reloaded, there: Toy | Exception, why: str
) -> None:
    """The outcome says why, images go on with the old version, and a later reload that can be loaded is taken."""
    reloaded.shelf.there = there
    told = reloaded.ended(reloaded.ask())
    assert (told.state, told.version) == (ReloadState.FAILED, "1")
    assert told.error is not None
    assert why in told.error
    desk = reloaded.worker.desk
    desk.submit("a", [picture()])
    desk.dispatch_job("a")
    assert reloaded.worker.work(reloaded.reloading.settle) == 1
    assert list(reloaded.versions("a").values()) == [{"1"}]
    reloaded.shelf.there = toy("3")
    assert reloaded.ended(reloaded.ask()).state is ReloadState.SERVED


def test_the_same_version_is_not_loaded_again(reloaded: Reloaded) -> None:
    """A file that did not change is told to be unchanged, and costs a look at it."""
    reloaded.shelf.there = toy("1")
    assert reloaded.ended(reloaded.ask()) == ReloadOutcome(ReloadState.UNCHANGED, "1")
    assert reloaded.shelf.made == 0


def test_more_sizes_than_before_wait_for_a_restart(reloaded: Reloaded) -> None:
    """Lanes stay as they are: a version that takes more sizes is announced with those that are served."""
    reloaded.shelf.there = toy("2", sizes=(128, SIZE))
    assert reloaded.ended(reloaded.ask()).state is ReloadState.SERVED
    assert reloaded.worker.residents.infos[0].sizes == [SIZE]
    assert reloaded.worker.residents.lanes == [reloaded.worker.desk.lane]


def test_requests_of_before_the_start_and_for_others_are_left_alone(hire: Callable[..., Colleague]) -> None:
    """What was asked for before the models were loaded is done; what concerns another model is another's."""
    worker = hire()
    shelf = Shelf()
    reloading = reloading_of(worker, shelf, {"toy": "r1"})
    asker = Reloaded(worker, shelf, reloading)
    asker.ask()
    asker.ask("another")
    reloading.look()
    assert asker.outcome("r1") is None
    assert asker.outcome("r2") is None
    assert shelf.made == 0


def test_the_old_version_is_let_go(reloaded: Reloaded) -> None:
    """After the change nothing holds the old detector: its memory is free."""
    desk = reloaded.worker.desk
    desk.submit("a", [picture()] * 3)
    desk.dispatch_job("a")
    reloaded.worker.work(reloaded.reloading.settle)
    old = weakref.ref(reloaded.worker.residents.of("toy").detector)
    assert old() is not None
    reloaded.worker.toy = toy("unused")
    reloaded.ended(reloaded.ask())
    gc.collect()
    assert old() is None


def test_a_stop_does_not_wait_for_a_version_that_nobody_takes(hire: Callable[..., Colleague]) -> None:
    """A worker that stops while a version is offered ends its thread and takes no more."""
    worker = hire()
    reloading = reloading_of(worker, Shelf())
    reloading.start()
    Reloaded(worker, Shelf(), reloading).ask()
    until_offered(reloading)
    reloading.stop()
    wait_for(lambda: not reloading.is_loading(), "the thread's end", within_s=30)
    assert worker.residents.infos[0].version == "1"
