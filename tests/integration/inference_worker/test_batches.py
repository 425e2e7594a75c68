"""What becomes of batches that a worker takes."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from torch import Tensor

from inference_worker.ahead import Ahead
from inference_worker.decoders import Decoding
from inference_worker.runner import CLAIMED_IMAGE_BYTES
from models.detector import Prepared
from tenfold.contract.events import BatchClaimed, BatchEnded, BatchLost, EndReason
from tenfold.contract.records import DetectOptions
from tests.integration.inference_worker.colleague import Colleague
from tests.integration.inference_worker.dispatching import Desk
from tests.integration.waiting import wait_for
from tests.unit.inference_worker.toy import POISON, Toy, picture

Hire = Callable[..., Colleague]


def ended(desk: Desk) -> list[BatchEnded]:
    return [event for event in desk.events() if isinstance(event, BatchEnded)]


def claimed(desk: Desk) -> list[str]:
    return [event.batch_id for event in desk.events() if isinstance(event, BatchClaimed)]


def test_results(desk: Desk, hire: Hire) -> None:
    """A job's images come back with boxes, sizes, timing and their batch, and the job succeeds."""
    worker = hire()
    desk.submit("a", [picture()] * 12)
    first, second = desk.dispatch_job("a")
    assert worker.work() == 2
    results = desk.results("a")
    assert sorted(results) == list(range(12))
    one = results[3]
    assert (one.width, one.height, one.error, one.attempts) == (32, 24, None, 1)
    assert one.detections is not None
    assert one.detections[0].label == "thing"
    assert one.batch is not None
    assert (one.batch.id, one.batch.size, one.batch.level, one.batch.worker) == (first, 10, 0, "w1")
    assert one.timing is not None
    assert one.timing.queued_ms > 0
    assert one.timing.decode_ms > 0
    assert results[11].batch is not None
    assert (results[11].batch.id, results[11].batch.size) == (second, 2)
    assert desk.state("a") == "succeeded"
    assert [[images for images, _ in event.pieces] for event in ended(desk)] == [[10], [2]]


def test_jobs_share_a_batch_with_options_of_their_own(desk: Desk, hire: Hire) -> None:
    """Two jobs in one batch each get results by their own options."""
    worker = hire()
    desk.submit("a", [picture()], DetectOptions(conf=0.5))
    desk.submit("b", [picture()], DetectOptions(conf=0.9))
    desk.dispatch(("a", 0), ("b", 0))
    worker.work()
    found = [desk.results(job)[0].detections for job in "ab"]
    assert [len(boxes or []) for boxes in found] == [1, 0]
    assert worker.toy.runs == [2]


def test_bad_images_fail_alone(desk: Desk, hire: Hire) -> None:
    """In a batch of good and bad images each bad one has its own error and the good ones succeed."""
    worker = hire()
    bad = {1: b"", 3: b"some text", 5: picture()[:-40], 7: picture(width=2000, height=2000)}
    desk.submit("a", [bad.get(index, picture()) for index in range(10)])
    desk.client.delete(desk.keys.blob("a", 8))
    desk.dispatch_job("a")
    worker.work()
    results = desk.results("a")
    errors = {index: result.error.code for index, result in results.items() if result.error is not None}
    assert errors == {
        1: "image_missing",  # Redis keeps no empty strings; gateways refuse such a file anyway
        3: "unsupported_image_format",
        5: "truncated_image",
        7: "too_many_pixels",
        8: "image_missing",
    }
    assert all(results[index].detections for index in (0, 2, 4, 6, 9))
    assert worker.toy.runs == [5]
    assert desk.state("a") == "succeeded"


def test_poison(desk: Desk, hire: Hire) -> None:
    """An image on which the model raises fails with the reason; its nine neighbours have results."""
    worker = hire()
    desk.submit("a", [picture(POISON) if index == 6 else picture() for index in range(10)])
    desk.dispatch_job("a")
    worker.work()
    results = desk.results("a")
    assert [index for index, result in results.items() if result.error is not None] == [6]
    error = results[6].error
    assert error is not None
    assert error.code == "model_error"
    assert "a poisoned image" in error.message
    assert results[6].attempts > results[0].attempts > 1


def test_canceled_items_do_not_run(desk: Desk, hire: Hire) -> None:
    """Items of a job that was canceled after its dispatch are dropped by the claim; the others run."""
    worker = hire()
    desk.submit("a", [picture()] * 5)
    desk.submit("b", [picture()] * 5)
    desk.dispatch(*[(job, index) for index in range(5) for job in "ab"])
    desk.cancel("a")
    worker.work()
    assert worker.toy.runs == [5]
    assert desk.results("a") == {}
    assert len(desk.results("b")) == 5
    batch = desk.results("b")[0].batch
    assert batch is not None
    assert batch.size == 5
    assert desk.state("a") == "canceled"


def test_canceled_while_it_runs(desk: Desk, hire: Hire) -> None:
    """A job canceled while its batch computes stays canceled, and gets no result any more."""
    worker = hire()
    worker.toy.before = lambda _: desk.cancel("a")
    desk.submit("a", [picture()])
    desk.dispatch_job("a")
    worker.work()
    assert (desk.state("a"), desk.results("a")) == ("canceled", {})


def test_levels_in_order(desk: Desk, hire: Hire) -> None:
    """The most urgent level goes first whatever was dispatched first."""
    worker = hire()
    desk.submit("a", [picture()] * 4)
    ids = [desk.dispatch(("a", index), level=level) for index, level in enumerate([2, 1, 0, 1])]
    worker.work()
    assert claimed(desk) == [ids[2], ids[1], ids[3], ids[0]]


def test_reserved_levels(desk: Desk, hire: Hire) -> None:
    """A worker of level 0 alone leaves the other levels to others."""
    worker = hire(levels=(0,))
    desk.submit("a", [picture()] * 2)
    urgent = desk.dispatch(("a", 0))
    desk.dispatch(("a", 1), level=1)
    worker.work()
    assert claimed(desk) == [urgent]


def test_promoted_before_its_claim(desk: Desk, hire: Hire) -> None:
    """A batch that was moved up is claimed from its new level, once, and RQ's registry of that level knows it."""
    worker = hire()
    desk.submit("a", [picture()])
    batch = desk.dispatch(("a", 0), level=2)
    moved = desk.scheduler.promote(desk.token, batch, lane=desk.lane, from_level=2, to_level=0)
    assert moved
    assert worker.work() == 1
    assert desk.client.zrange(f"rq:finished:{desk.queue(0)}", 0, -1) == [batch.encode()]
    assert desk.client.exists(f"rq:wip:{desk.queue(0)}", f"rq:wip:{desk.queue(2)}") == 0


def test_promoted_after_its_claim(desk: Desk, hire: Hire) -> None:
    """A batch that a worker has claimed cannot be moved any more, and runs once."""
    worker = hire()
    desk.submit("a", [picture()])
    batch = desk.dispatch(("a", 0), level=2)

    def promote(_run: int) -> None:
        assert not desk.scheduler.promote(desk.token, batch, lane=desk.lane, from_level=2, to_level=0)

    worker.toy.before = promote
    assert worker.work() == 1
    assert worker.toy.runs == [1]


def test_gives_way_between_pieces(desk: Desk, hire: Hire) -> None:
    """When something more urgent arrives, what is done is committed, the rest goes back, and the urgent one is next."""
    worker = hire()
    worker.cut_finely()
    desk.submit("bulk", [picture()] * 10)
    desk.submit("single", [picture()])
    bulk = desk.dispatch_job("bulk", level=2)[0]
    dispatched: list[str] = []

    def arrive(run: int) -> None:
        if run == 3:
            dispatched.append(desk.dispatch(("single", 0)))

    worker.toy.before = arrive
    worker.work()
    assert claimed(desk) == [bulk, *dispatched]
    event = ended(desk)[0]
    assert (event.reason, event.left) == (EndReason.PREEMPTED, list(range(3, 10)))
    assert sorted(desk.results("bulk")) == [0, 1, 2]
    assert desk.state("single") == "succeeded"


def test_level_zero_never_gives_way(desk: Desk, hire: Hire) -> None:
    """A batch of the first level runs in one piece: nothing is more urgent."""
    worker = hire()
    worker.cut_finely()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    worker.work()
    assert worker.toy.runs == [10]


def test_told_to_stop(desk: Desk, hire: Hire) -> None:
    """A worker that is told to stop commits what is done and hands the rest back."""
    worker = hire()
    worker.cut_finely()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a", level=1)
    worker.toy.before = lambda run: worker.stop.set() if run == 2 else None
    worker.work()
    (event,) = ended(desk)
    assert (event.reason, event.left) == (EndReason.STOPPED, list(range(2, 10)))
    assert sorted(desk.results("a")) == [0, 1]
    assert desk.client.zcard(desk.keys.leases) == 0


def test_lost_lease_commits_nothing(desk: Desk, hire: Hire) -> None:
    """Results that come after the lease ran out are dropped: the reaper has given the images to others."""
    worker = hire()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    later = replace(desk.scheduler, injected_now_ms=int(desk.now_ms()) + 60_000)
    worker.toy.before = lambda _: later.reap(desk.token)
    worker.work()
    assert desk.results("a") == {}
    assert ended(desk) == []
    (lost,) = [event for event in desk.events() if isinstance(event, BatchLost)]
    assert lost.left == list(range(10))
    assert worker.worker.held.batches() == []


def test_lost_lease_ends_the_batch_early(desk: Desk, hire: Hire) -> None:
    """Between two pieces a worker learns that its lease is gone and computes no further."""
    worker = hire()
    worker.cut_finely()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a", level=2)
    worker.toy.before = lambda run: desk.client.delete(desk.keys.leases) if run == 2 else None
    worker.work()
    assert worker.toy.runs == [1, 1]
    assert desk.results("a") == {}


def test_stopped_before_it_began(desk: Desk, hire: Hire) -> None:
    """A batch that was claimed as the stop came goes back whole, at any level, and counts no attempt."""
    worker = hire()
    worker.stop.set()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    worker.work()
    (event,) = ended(desk)
    assert (event.reason, event.left) == (EndReason.STOPPED, list(range(10)))
    assert worker.toy.runs == []


def test_one_commit_carries_the_next_claim(desk: Desk, hire: Hire) -> None:
    """What is claimed along with a commit is the most urgent batch at that moment."""
    worker = hire()
    desk.submit("a", [picture()] * 3)
    first = desk.dispatch(("a", 0))
    low = desk.dispatch(("a", 1), level=2)
    late: list[str] = []
    worker.toy.before = lambda run: late.append(desk.dispatch(("a", 2))) if run == 1 else None
    assert worker.work() == 3
    assert claimed(desk) == [first, *late, low]
    assert desk.state("a") == "succeeded"


def test_redis_forgot_the_scripts(desk: Desk, hire: Hire) -> None:
    """When Redis has forgotten the scripts between two batches, commit and claim still happen, each once."""
    worker = hire()
    worker.toy.before = lambda _: desk.client.script_flush()
    desk.submit("a", [picture()] * 2)
    desk.dispatch_job("a", batch_size=1)
    assert worker.work() == 2
    assert desk.state("a") == "succeeded"


@pytest.mark.parametrize("forgetful", [False, True])
def test_redis_refuses_a_commit_for_a_while(desk: Desk, hire: Hire, forgetful: bool) -> None:
    """A Redis that takes no writes for a moment gets the results afterwards; nothing is lost and nothing is doubled.

    So does one that has forgotten the scripts as well.
    """
    worker = hire(lease_ms=20_000)
    desk.submit("a", [picture()] * 2)
    desk.dispatch_job("a")

    def fill(_run: int) -> None:
        desk.client.config_set("maxmemory", "1mb")
        if forgetful:
            desk.client.script_flush()
        threading.Timer(0.5, lambda: desk.client.config_set("maxmemory", "0")).start()

    worker.toy.before = fill
    assert worker.work() == 1
    assert desk.state("a") == "succeeded"


def test_no_look_ahead_beside_a_job_that_lost_a_worker(desk: Desk, hire: Hire) -> None:
    """What is decoded for the next batch may end the process: never while that would count against a marked image."""
    looked: list[int] = []
    ahead = Ahead(lambda: looked.append(len(worker.toy.runs)), lambda _: [], lambda *_: Decoding({}))
    worker = hire(ahead=ahead)
    for images in (1, 10):
        worker.runner.curve(desk.lane).record(images, images * 10.0)
    desk.submit("a", [picture()])
    desk.submit("b", [picture()])
    desk.client.hset(desk.keys.losses("a"), "0", 1)
    desk.dispatch(("a", 0))
    worker.work()
    assert ahead.take("none") is None
    assert looked == []
    desk.dispatch(("b", 0))
    worker.work()
    assert ahead.take("none") is None
    assert looked
    ahead.close()


def test_a_marked_batch_that_waits_is_not_decoded_beside_others(desk: Desk) -> None:
    """What may end the process is nobody's guess, however long the batches are."""
    store = desk.store("w1")
    desk.submit("a", [picture()])
    batch = desk.dispatch(("a", 0))
    guess = store.peek()
    assert guess is not None
    assert guess.id == batch
    desk.client.hset(desk.keys.losses("a"), "0", 1)
    assert store.peek() is None


def test_few_bytes_of_images_come_along_with_the_claim(desk: Desk, hire: Hire) -> None:
    """Small images need no trip to Redis of their own; where they are many bytes, they are fetched after the claim."""
    worker = hire()

    def fetches() -> int:
        return int(desk.client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])

    before = fetches()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    worker.work()
    assert fetches() == before
    desk.submit("b", [picture() + bytes(CLAIMED_IMAGE_BYTES)] * 2)
    desk.dispatch_job("b")
    worker.work()
    assert fetches() == before + 1
    assert (desk.state("a"), desk.state("b")) == ("succeeded", "succeeded")


class Frugal(Toy):
    """Computes on a core that it tells of; ``fitted`` counts the images that were decoded for it."""

    fitted: int = 0

    def tell_idle_cores(self, listener: Callable[[int], None]) -> None:
        self.tell = listener

    def prepare(self, image: Tensor, size: int) -> Prepared:
        self.fitted += 1
        return super().prepare(image, size)


def test_on_a_cpu_the_next_batch_is_decoded_on_cores_that_fall_idle(desk: Desk, hire: Hire) -> None:
    """Beside a batch that followed another the next is decoded once a core falls idle; a first batch looks for none."""
    toy = Frugal()
    store = desk.store("w1")
    ahead = Ahead(store.peek, store.blobs, lambda batch, images: worker.decoders.park(images, toy, batch.size))
    worker = hire(toy=toy, ahead=ahead)
    for images in (1, 10):
        worker.runner.curve(desk.lane).record(images, images * 10.0)

    def compute(run: int) -> None:
        if run == 1:
            assert ahead.take("none") is None
            toy.tell(0)
        if run == 2:
            wait_for(lambda: worker.decoders.parked)
            assert toy.fitted == 2
            toy.tell(1)
            wait_for(lambda: toy.fitted == 3)

    toy.before = compute
    desk.submit("a", [picture()] * 3)
    desk.dispatch_job("a", batch_size=1)
    assert worker.work() == 3
    assert sorted(desk.results("a")) == [0, 1, 2]
    ahead.close()
