"""On short batches a worker has the next one in hand while it computes."""

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from torch import Tensor

from inference_worker.ahead import Ahead
from inference_worker.beat import Held
from inference_worker.cost import RECENT_PIECES
from inference_worker.decoders import Decoding
from inference_worker.detecting import DeviceLost
from inference_worker.runner import SHORT_MS
from inference_worker.stopping import StopFlag
from inference_worker.turns import Turns
from models.detector import Prepared
from tenfold.contract.events import BatchEnded, BatchLost, EndReason
from tenfold.contract.records import BatchRecord
from tenfold.store.connection import connect
from tests.integration.inference_worker.colleague import Colleague
from tests.integration.inference_worker.dispatching import Desk
from tests.unit.inference_worker.toy import Toy, picture

Hire = Callable[..., Colleague]


def ended(desk: Desk) -> list[BatchEnded]:
    return [event for event in desk.events() if isinstance(event, BatchEnded)]


def computing(desk: Desk) -> dict[str, str]:
    return {batch.decode(): at.decode() for batch, at in desk.client.hgetall(desk.keys.computing).items()}


@pytest.fixture
def batches(desk: Desk) -> list[str]:
    """The ids of four batches of two images of one job; the first is claimed alone, since nothing ran before it."""
    desk.submit("a", [picture()] * 8)
    return desk.dispatch_job("a", batch_size=2)


def at_run(run: int, look: Callable[[], object]) -> Callable[[int], object]:
    """Calls ``look`` while the batch of that number computes."""
    return lambda number: look() if number == run else None


def wait_for_answers(worker: Colleague) -> None:
    """Redis has done what was sent before this batch computed."""
    turn = worker.worker._turns._turn
    assert turn is not None
    turn.claim()


def test_the_next_is_in_hand_and_does_not_count_as_computing(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """While one computes the batch behind it is this worker's, unmarked; the one before is committed by then."""
    worker = hire()
    seen: list[object] = []

    def look() -> None:
        wait_for_answers(worker)
        claims = [batch.decode() for batch in desk.client.hkeys(desk.keys.claims)]
        seen.extend((sorted(claims), list(computing(desk)), sorted(desk.results("a"))))

    worker.toy.before = at_run(3, look)
    assert worker.work() == 4
    assert seen == [batches[2:], [batches[2]], [0, 1, 2, 3]]
    assert desk.state("a") == "succeeded"
    assert [event.reason for event in ended(desk)] == [EndReason.FINISHED] * 4
    assert desk.client.zcard(desk.keys.leases) == desk.client.hlen(desk.keys.computing) == 0
    assert worker.worker.held.batches() == []


def test_what_is_in_hand_has_its_lease_renewed(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """Between two batches the worker holds the one in hand, and the one whose commit it has not sent yet."""
    worker = hire()
    held: list[object] = []
    worker.work(between=lambda: held.append(worker.worker.held.batches()))
    assert held[1:] == [batches[1:2], batches[1:3], batches[2:4]]


def test_rq_sees_a_busy_worker_until_nothing_is_in_hand(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """The commit of one batch does not make RQ's tools believe that its worker has nothing to do."""
    worker = hire()
    seen: list[object] = []

    def look() -> None:
        wait_for_answers(worker)
        seen.append(desk.client.hmget(f"rq:worker:{worker.store.worker}", "state", "current_job"))

    worker.toy.before = at_run(4, look)
    worker.work()
    assert seen == [[b"busy", batches[3].encode()]]
    assert desk.client.hmget(f"rq:worker:{worker.store.worker}", "state", "current_job") == [b"idle", None]


def test_a_stop_hands_back_what_is_in_hand(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """What computes is committed, what is in hand goes back unrun, and nothing more is claimed."""
    worker = hire()
    worker.toy.before = at_run(2, worker.stop.set)
    worker.work()
    assert worker.toy.runs == [2, 2]
    assert [(event.batch_id, event.reason, event.left) for event in ended(desk)] == [
        (batches[0], EndReason.FINISHED, []),
        (batches[1], EndReason.FINISHED, []),
        (batches[2], EndReason.STOPPED, [0, 1]),
    ]
    assert sorted(desk.results("a")) == [0, 1, 2, 3]
    assert desk.client.zcard(desk.keys.leases) == 0


class Killed(BaseException):
    """The process would have ended here."""


def test_a_killed_worker_counts_only_against_what_it_computed(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """The batch in hand waits again without a loss, and the one before, whose commit was sent, has its results."""
    worker = hire()

    def die() -> None:
        wait_for_answers(worker)
        raise Killed

    worker.toy.before = at_run(3, die)
    with pytest.raises(Killed):
        worker.work()
    later = replace(desk.scheduler, injected_now_ms=int(desk.now_ms()) + 60_000)
    assert sorted(later.reap(desk.token)) == batches[2:]
    lost = {event.batch_id: event for event in desk.events() if isinstance(event, BatchLost)}
    assert [lost[batch].left for batch in batches[2:]] == [[0, 1], [0, 1]]
    assert sorted(desk.client.hkeys(desk.keys.losses("a"))) == [b"4", b"5"]
    assert sorted(desk.results("a")) == [0, 1, 2, 3]


def test_a_device_that_is_lost_costs_nobody_else_a_lease(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """What computed is left to its lease; the batch before is committed, and the one in hand handed back at once."""
    worker = hire()

    def lose() -> None:
        raise RuntimeError("CUDA error: it is gone")

    worker.toy.before = at_run(3, lose)
    with pytest.raises(DeviceLost):
        worker.work()
    assert [(event.batch_id, event.reason, event.left) for event in ended(desk)] == [
        (batches[0], EndReason.FINISHED, []),
        (batches[1], EndReason.FINISHED, []),
        (batches[3], EndReason.STOPPED, [0, 1]),
    ]
    assert [batch.decode() for batch in desk.client.hkeys(desk.keys.claims)] == [batches[2]]


def test_something_more_urgent_in_hand_makes_a_batch_give_way(desk: Desk, hire: Hire) -> None:
    """It waits in no list any more, and is served after the piece that runs all the same."""
    worker = hire()
    for images in (1, 10) * RECENT_PIECES:
        worker.runner.curve(desk.lane).record(images, images * 1.0)
    desk.submit("bulk", [picture()] * 20)
    desk.submit("single", [picture()])
    bulk = desk.dispatch_job("bulk", level=2)
    urgent: list[str] = []

    def between() -> None:
        if len(ended(desk)) == 1 and not urgent:
            urgent.append(desk.dispatch(("single", 0)))

    worker.work(between)
    assert [(event.batch_id, event.reason, len(event.left)) for event in ended(desk)] == [
        (bulk[0], EndReason.FINISHED, 0),
        (bulk[1], EndReason.PREEMPTED, 9),
        (urgent[0], EndReason.FINISHED, 0),
    ]


class SlowToDecode(Toy):
    """Its model is quick, its images are not."""

    def prepare(self, image: Tensor, size: int) -> Prepared:
        threading.Event().wait(2 * SHORT_MS / 1000)
        return super().prepare(image, size)


def test_nothing_less_urgent_is_claimed_early(desk: Desk, hire: Hire) -> None:
    """Behind a batch of level 0 waits one of level 2: something of level 0 that comes meanwhile overtakes it."""
    worker = hire()
    desk.submit("a", [picture()] * 4)
    first = [desk.dispatch(("a", index)) for index in (0, 1)]
    low = desk.dispatch(("a", 2), level=2)
    late: list[str] = []
    worker.toy.before = at_run(2, lambda: late.append(desk.dispatch(("a", 3))))
    assert worker.work() == 4
    assert [event.batch_id for event in ended(desk)] == [*first, *late, low]


@pytest.mark.parametrize("why", ["long", "slow to decode", "unknown", "marked"])
def test_where_it_would_do_harm_nothing_is_in_hand(desk: Desk, hire: Hire, batches: list[str], why: str) -> None:
    """Beside a long batch something urgent may still come; an image that may kill its worker makes nobody else wait."""
    worker = hire(toy=SlowToDecode() if why == "slow to decode" else Toy())
    if why == "long":
        for images in (1, 2) * RECENT_PIECES:
            worker.runner.curve(desk.lane).record(images, images * SHORT_MS)
    elif why == "marked":
        desk.client.hset(desk.keys.losses("a"), "7", 1)
    held: list[int] = []
    worker.toy.before = lambda _: held.append(desk.client.hlen(desk.keys.claims))

    def between() -> None:
        if why == "unknown":
            worker.runner.swap(worker.residents.of("toy"))  # after a reload no cost is known

    assert worker.work(between) == len(batches)
    assert held == [1, 1, 1, 1]


def test_a_connection_that_breaks_meanwhile_costs_nothing(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """What was sent is sent again, once: every image has one result, and the claim that nobody heard of is reaped."""
    worker = hire()
    worker.toy.before = at_run(2, lambda: desk.client.client_kill_filter(_type="normal", skipme=False))
    worker.work()
    later = replace(desk.scheduler, injected_now_ms=int(desk.now_ms()) + 60_000)
    for batch in later.reap(desk.token):
        index = 2 * batches.index(batch)
        desk.dispatch(("a", index), ("a", index + 1))
    worker.work()
    assert sorted(desk.results("a")) == list(range(8))
    assert desk.state("a") == "succeeded"
    assert worker.worker.held.batches() == []


def test_a_redis_that_refuses_for_a_while_gets_the_commit_afterwards(
    desk: Desk, hire: Hire, batches: list[str]
) -> None:
    """A commit on its way that is refused is tried again before anything else is committed."""
    worker = hire(lease_ms=20_000)

    def fill() -> None:
        wait_for_answers(worker)
        desk.client.config_set("maxmemory", "1mb")
        threading.Timer(0.5, lambda: desk.client.config_set("maxmemory", "0")).start()

    worker.toy.before = at_run(2, fill)
    assert worker.work() == len(batches)
    assert desk.state("a") == "succeeded"
    assert [event.batch_id for event in ended(desk)] == batches


def test_a_redis_that_is_away_keeps_nothing_from_computing(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """A batch begins without another in hand where nothing can be sent, whether it was in hand itself or not."""
    claim = desk.store("w1").claim()
    assert claim is not None
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = connect(f"redis://127.0.0.1:{nobody.getsockname()[1]}")
    turns = Turns(replace(desk.store("w1"), client=away), Held(), StopFlag(), 10, lambda *_: None)
    for in_hand in (False, True):
        assert turns.begin(replace(claim, in_turn=True, in_hand=in_hand), short=True) is None
        assert turns.following() is None


def test_forgotten_scripts_are_sent_again(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """A Redis that has forgotten the scripts while they were on their way runs them from their source, each once."""
    worker = hire()
    worker.toy.before = lambda _: desk.client.script_flush()
    assert worker.work() == len(batches)
    assert [event.batch_id for event in ended(desk)] == batches
    assert desk.state("a") == "succeeded"


def test_an_unreadable_batch_in_hand_is_left_to_its_lease(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """The others run; nothing is retried in a circle."""
    worker = hire()
    desk.client.hset(desk.keys.batches, batches[2], b'{"v":1,"id":7,"items":[["a",4]],"jobs":{"a":{}}}')
    worker.work()
    assert [event.batch_id for event in ended(desk)] == [*batches[:2], batches[3]]


def test_what_is_in_hand_is_decoded_ahead(desk: Desk, hire: Hire, batches: list[str]) -> None:
    """Where decoding runs ahead it takes the batch in hand, and guesses at nothing."""
    decoded: list[str] = []

    def decode(batch: BatchRecord, images: Mapping[int, bytes | None]) -> Decoding:
        decoded.append(batch.id)
        return worker.decoders.start(images, worker.toy, batch.size)

    store = desk.store("w1")
    ahead = Ahead(store.peek, store.blobs, decode)
    worker = hire(ahead=ahead)
    for images in (1, 2) * RECENT_PIECES:
        worker.runner.curve(desk.lane).record(images, images * 5.0)
    assert worker.work() == len(batches)
    assert decoded[-3:] == batches[1:]
    assert ahead._hits == 1.0
    assert desk.state("a") == "succeeded"
    ahead.close()
