"""Decoding the batch that will probably be next while this one computes.

Where the next one is being claimed already, it is known. Else this takes no lease: it looks at the head of the queues,
and what it decoded is dropped if another batch is claimed. Where several workers share the queues it often guesses
wrong; then it looks only now and then, whether that has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from redis.exceptions import RedisError

from inference_worker.decoders import Decoding
from tenfold.contract.errors import BadMessage
from tenfold.contract.records import BatchRecord
from tenfold.store.worker_store import Claim

log = logging.getLogger(__name__)

Coming = Callable[[], Claim | None]
"""Waits for the batch that is being claimed; None where there was none."""
Peek = Callable[[], BatchRecord | None]
Blobs = Callable[[Iterable[tuple[str, int]]], Sequence[bytes | None]]
Decode = Callable[[BatchRecord, Mapping[int, bytes | None]], Decoding]
"""Begins to decode the images of a batch, by their positions in it, as far as cores are idle."""

HITS_LEAST = 0.5
"""Below this part of right guesses, guessing costs more than it brings."""
TRIAL_EVERY = 16
PAUSES_S = (0.004, 0.008, 0.016, 0.032)
"""Between looks at empty queues: only when the scheduler hears of this claim does it dispatch another batch."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class _Guess:
    batch_id: str
    decoding: Decoding


class Ahead:
    """Guesses the next batch. All but the guessing itself, which has a thread of its own, belongs to the main one."""

    def __init__(self, peek: Peek, blobs: Blobs, decode: Decode) -> None:
        self._peek = peek
        self._blobs = blobs
        self._decode = decode
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._guess: Future[_Guess | None] | None = None
        self._claimed = Event()
        self._hits = 1.0
        self._chances = 0

    def look(self, lasts_s: float = 0.0, coming: Coming | None = None) -> None:
        """Begin to guess, now that a batch computes, for ``lasts_s`` or so; or to wait for what is ``coming``."""
        self._chances += 1
        if self._guess is None and (coming or self._hits >= HITS_LEAST or self._chances % TRIAL_EVERY == 0):
            self._claimed = Event()
            self._guess = self._thread.submit(self._look, lasts_s, self._claimed, coming)

    @property
    def guesses(self) -> bool:
        """Whether a guess is on its way, or made."""
        return self._guess is not None

    def take(self, batch_id: str) -> Decoding | None:
        """What was decoded of the batch that was claimed, or None where the guess was another or none."""
        self._claimed.set()
        guess = self._guess.result() if self._guess is not None else None
        self._guess = None
        if guess is None:
            return None
        right = guess.batch_id == batch_id
        self._hits += _SMOOTHING * (right - self._hits)
        if right:
            guess.decoding.hurry()
            return guess.decoding
        guess.decoding.drop()
        return None

    def forget(self) -> None:
        """Drop the guess: it was decoded for a detector that is no longer there."""
        self._claimed.set()
        guess, self._guess = self._guess, None
        if guess is not None:
            guess.add_done_callback(_drop)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self, lasts_s: float, claimed: Event, coming: Coming | None) -> _Guess | None:
        try:
            claim = coming() if coming is not None else None
            if claim is not None and claim.marked:
                # Should it end the process while it is decoded, that would count against another batch.
                return None
            batch = claim.batch if claim is not None else self._head(lasts_s, claimed)
            if batch is None:
                return None
            images = self._images(claim) if claim is not None else dict(enumerate(self._blobs(batch.items)))
        except (RedisError, BadMessage) as error:
            log.debug("no look ahead: %s", error)
            return None
        return _Guess(batch.id, self._decode(batch, images))

    def _images(self, claim: Claim) -> Mapping[int, bytes | None]:
        images = claim.images or self._blobs(claim.batch.items[position] for position in claim.positions)
        return dict(zip(claim.positions, images, strict=True))

    def _head(self, lasts_s: float, claimed: Event) -> BatchRecord | None:
        for pause_s in PAUSES_S:
            batch = self._peek()
            lasts_s -= pause_s
            if batch is not None or lasts_s < 0 or claimed.wait(pause_s):
                return batch
        return self._peek()


def _drop(guess: Future[_Guess | None]) -> None:
    found = None if guess.cancelled() or guess.exception() else guess.result()
    if found is not None:
        found.decoding.drop()
