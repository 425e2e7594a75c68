"""Looking ahead: decoding the batch that will probably be next."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from inference_worker.ahead import TRIAL_EVERY, Ahead
from inference_worker.decoders import Decoders
from tenfold.contract.records import BatchRecord, DetectOptions, JobShare
from tenfold.store.worker_store import Claim
from tests.unit.inference_worker.toy import SIZE, Toy, picture


def batch(batch_id: str) -> BatchRecord:
    jobs = {"a": JobShare(DetectOptions(), 0.0)}
    return BatchRecord(batch_id, "workers", "toy@64", "toy", SIZE, 0, [("a", 0), ("a", 1)], jobs)


@dataclass
class Queue:
    """What waits; ``looks`` counts how often somebody looked."""

    waiting: list[str] = field(default_factory=list)
    looks: int = 0
    away: bool = False
    dispatched_at_look: int = 0
    found: Event = field(default_factory=Event)

    def peek(self) -> BatchRecord | None:
        self.looks += 1
        if self.away:
            raise RedisConnectionError("away")
        if self.looks == self.dispatched_at_look:
            self.waiting.append("late")
            self.found.set()
        return batch(self.waiting[0]) if self.waiting else None

    def blobs(self, items: Iterable[tuple[str, int]]) -> Sequence[bytes]:
        return [picture() for _ in items]


@pytest.fixture
def queue() -> Queue:
    """An empty queue."""
    return Queue()


@pytest.fixture
def ahead(queue: Queue) -> Iterator[Ahead]:
    """Looks at ``queue``."""
    decoders = Decoders(1, 10**6)
    toy = Toy()
    made = Ahead(queue.peek, queue.blobs, lambda batch, images: decoders.start(images, toy, batch.size))
    yield made
    made.close()
    decoders.close()


def test_a_right_guess(ahead: Ahead, queue: Queue) -> None:
    """The images of the batch that waited are decoded when it is claimed."""
    queue.waiting = ["b1"]
    ahead.look()
    decoding = ahead.take("b1")
    assert decoding is not None
    assert [decoding.image(position).width for position in (0, 1)] == [32, 32]
    assert ahead.take("b1") is None


def test_a_wrong_guess(ahead: Ahead, queue: Queue) -> None:
    """When something else is claimed, what was decoded is dropped."""
    queue.waiting = ["b1"]
    ahead.look()
    assert ahead.take("b0") is None


def test_a_forgotten_guess(ahead: Ahead, queue: Queue) -> None:
    """What was decoded for a detector that is gone is not taken, even for the right batch; the next guess is."""
    queue.waiting = ["b1"]
    ahead.look()
    ahead.forget()
    assert ahead.take("b1") is None
    ahead.look()
    assert ahead.take("b1") is not None
    ahead.forget()


def test_nothing_to_guess(ahead: Ahead, queue: Queue) -> None:
    """An empty queue, or a Redis that does not answer, is no guess and no error."""
    ahead.look()
    assert ahead.take("b1") is None
    queue.away = True
    ahead.look()
    assert ahead.take("b1") is None


def test_looks_again_where_nothing_waits_yet(ahead: Ahead, queue: Queue) -> None:
    """The next batch is often dispatched a moment after this one began: an empty queue is looked at again."""
    queue.dispatched_at_look = 3
    ahead.look(1.0)
    queue.found.wait(5)
    assert ahead.take("late") is not None
    assert queue.looks == 3


def test_what_is_coming_is_decoded_and_not_guessed(ahead: Ahead, queue: Queue) -> None:
    """What is being claimed needs no look, with images that came along or without; but never what killed a worker."""
    queue.waiting = ["b1"]
    for images in (None, [picture(), picture()]):
        ahead.look(coming=partial(Claim, batch("b2"), frozenset(), 0, images=images))
        assert ahead.take("b2") is not None
    ahead.look(coming=lambda: Claim(batch("b2"), frozenset(), 0, marked=True))
    assert ahead.take("b2") is None
    assert queue.looks == 0
    ahead.look(coming=lambda: None)
    assert ahead.take("b1") is not None


def test_looks_once_a_batch(ahead: Ahead, queue: Queue) -> None:
    """The pieces of one batch look once between them."""
    queue.waiting = ["b1"]
    for _ in range(5):
        ahead.look()
    assert ahead.take("b1") is not None
    assert queue.looks == 1


def test_gives_up_guessing_where_it_is_wrong(ahead: Ahead, queue: Queue) -> None:
    """Where others take what it guessed, it looks only now and then; when its guesses are right again, always."""
    queue.waiting = ["b1"]
    for _ in range(20):
        ahead.look()
        ahead.take("other")
    before = queue.looks
    for _ in range(TRIAL_EVERY * 4):
        ahead.look()
        ahead.take("other")
    assert queue.looks - before <= 4
    for _ in range(TRIAL_EVERY * 30):
        ahead.look()
        ahead.take("b1")
    before = queue.looks
    ahead.look()
    ahead.take("b1")
    assert queue.looks == before + 1
