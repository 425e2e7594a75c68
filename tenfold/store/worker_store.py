"""What a worker does in Redis: claim, go on, commit, beat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from tenfold.contract.codec import decode, encode, encode_event
from tenfold.contract.events import BatchEnded, WorkerJoined, WorkerLeft
from tenfold.contract.records import BatchRecord, ItemResult, ModelInfo, ReloadOutcome, ReloadRequest, WorkerInfo
from tenfold.store.connection import BytesRedis
from tenfold.store.flight import Flight
from tenfold.store.keys import (
    RQ_FAILED_PREFIX,
    RQ_FINISHED_PREFIX,
    RQ_JOB_PREFIX,
    RQ_WIP_PREFIX,
    RQ_WORKER_PREFIX,
    Keys,
    rq_queue,
)
from tenfold.store.scripts import Argument, Verb, call

RQ_WORKER_TTL_S = 60
"""How long RQ's tools show a worker that beats no more."""

RELOAD_TTL_S = 86_400
"""How long it is told what came of a reload."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that this worker holds now.

    Attributes:
        dropped: positions that were canceled or expired and must not run.
        place: which of the worker's levels it came from, 0 the first.
        marked: a job of it has lost a worker already; the next loss must be its own, and no other batch's.
        in_turn: it waited when the batch before it ended, so others probably wait as well.
        in_hand: it was claimed while another computed, and none of its images is marked as computing yet.
        images: the encoded images at ``positions`` where they came along, None for each that is gone.
    """

    batch: BatchRecord
    dropped: frozenset[int]
    place: int
    marked: bool = False
    in_turn: bool = False
    in_hand: bool = False
    images: Sequence[bytes | None] | None = None

    @property
    def positions(self) -> list[int]:
        """Positions that are to run, in order."""
        return [position for position in range(len(self.batch.items)) if position not in self.dropped]


Ended = tuple[BatchEnded, Sequence[tuple[str, ItemResult]], float]
"""What :meth:`WorkerStore.commit` takes."""


@dataclass(frozen=True, slots=True)
class WorkerStore:
    """The worker's side of the keyspace.

    Attributes:
        worker: the worker's name, the same for RQ.
        queues: names of the RQ queues that it serves, one inner sequence a level, most urgent first, each of all lanes.
        lease_ms: how long a claim holds without a beat.
        keep_images_ms: how long an image stays after its result.
        injected_now_ms: a test's clock instead of Redis' own.
    """

    client: BytesRedis
    keys: Keys
    worker: str
    queues: Sequence[Sequence[str]]
    lease_ms: int
    keep_images_ms: int
    injected_now_ms: int | None = None

    def join(self, info: WorkerInfo, models: Iterable[ModelInfo]) -> None:
        """Announce the worker and its models, or that it holds another version of one now."""
        pipe = self.client.pipeline()
        for model in models:
            pipe.hset(self.keys.models, model.name, encode(model))
        pipe.hset(self.keys.workers, info.name, encode(info))
        pipe.xadd(self.keys.events, {"e": encode_event(WorkerJoined(info))})
        pipe.execute()

    def reloads(self, models: Sequence[str]) -> dict[str, ReloadRequest]:
        """The last request to load each of ``models`` anew, where there was one. One command."""
        raw = self.client.hmget(self.keys.reloads, models)
        return {model: decode(one, ReloadRequest) for model, one in zip(models, raw, strict=True) if one is not None}

    def tell_reload(self, reload_id: str, outcome: ReloadOutcome) -> None:
        """Say how far this worker is with a reload."""
        pipe = self.client.pipeline()
        pipe.hset(self.keys.reload(reload_id), self.worker, encode(outcome))
        pipe.expire(self.keys.reload(reload_id), RELOAD_TTL_S)
        pipe.execute()

    def leave(self) -> None:
        """Say goodbye. Batches must have been committed before."""
        pipe = self.client.pipeline()
        pipe.hdel(self.keys.workers, self.worker)
        pipe.zrem(self.keys.beats, self.worker)
        pipe.xadd(self.keys.events, {"e": encode_event(WorkerLeft(self.worker))})
        pipe.execute()

    def claim(self, *, computing: int = 0, image_bytes: int = 0) -> Claim | None:
        """Take the most urgent batch, or None where nothing waits.

        Args:
            computing: how many of its first positions count as computing from now on.
            image_bytes: its images come along where they have no more bytes than that together.

        Raises:
            BadMessage: the batch's record is not ours; the lease then runs out.
        """
        return _claim_of(call(self.client, *self._claiming(computing, image_bytes)))

    def _claiming(self, computing: int, image_bytes: int, places: int | None = None) -> Verb:
        names = [name for level in self.queues[:places] for name in level]
        lanes = len(self.queues[0])
        keys = [*self._batch_keys, self.keys.doorbell_prefix, self.keys.blob_prefix, *map(rq_queue, names)]
        args: list[Argument] = [self._now, self.worker, self.lease_ms, lanes, iso_now(), computing, image_bytes, *names]
        return "claim", keys, args

    def peek(self) -> BatchRecord | None:
        """The batch that a claim would most probably take now, or None. Nothing is taken.

        None as well where a job of it has lost a worker: nothing of that is decoded while another batch computes.

        Raises:
            BadMessage: its record is not ours.
        """
        pipe = self.client.pipeline(transaction=False)
        for level in self.queues:
            for name in level:
                pipe.lindex(rq_queue(name), 0)
        heads = iter(pipe.execute())
        for level in self.queues:
            waiting = [head for head in (next(heads) for _ in level) if head is not None]
            if waiting:
                record = self.client.hget(self.keys.batches, min(waiting))
                return None if record is None else self._unmarked(decode(record, BatchRecord))
        return None

    def _unmarked(self, batch: BatchRecord) -> BatchRecord | None:
        return None if self.client.exists(*map(self.keys.losses, batch.jobs)) else batch

    def blobs(self, items: Iterable[tuple[str, int]]) -> list[bytes | None]:
        """The encoded images, None for each that is no longer there."""
        return list(self.client.mget([self.keys.blob(job_id, index) for job_id, index in items]))

    def advance(self, claim: Claim, start: int, stop: int) -> str:
        """Ask before positions ``start`` to ``stop`` (excluded) compute: ``go``, ``yield`` or ``lost``."""
        more_urgent = [rq_queue(name) for level in self.queues[: claim.place] for name in level]
        reply: bytes = call(self.client, *self._advancing(claim, start, stop, more_urgent))
        return reply.decode()

    def _advancing(self, claim: Claim, start: int, stop: int, more_urgent: Sequence[str]) -> Verb:
        keys = [self.keys.leases, self.keys.claims, self.keys.computing, *more_urgent]
        return "advance", keys, [claim.batch.id, self.worker, f"{start}-{stop}"]

    def commit(self, event: BatchEnded, results: Sequence[tuple[str, ItemResult]], took_s: float) -> bool:
        """Write the results, each once, and give the batch up.

        Returns:
            False where the lease was lost: nothing was written, and somebody else will run it.
        """
        return int(call(self.client, *self._committing(event, results, took_s))) >= 0

    def turn(
        self,
        ended: Ended | None,
        begun: Claim | None,
        *,
        computing: int,
        places: int,
        image_bytes: int,
        in_hand: bool,
    ) -> Turn:
        """Send what lies between two batches, and go on; Redis does it meanwhile, in this order.

        Args:
            ended: what :meth:`commit` takes, of the batch that ran before.
            begun: the batch that was in hand and begins now.
            computing: of ``begun``, and of what is claimed to run at once, how many first positions count as computing.
            places: from how many of the worker's levels, the most urgent ones, another batch is claimed as well.
            image_bytes: as for :meth:`claim`.
            in_hand: whether what is claimed has to wait for another to compute.
        """
        verbs: list[Verb] = []
        if ended is not None:
            verbs.append(self._committing(*ended))
        if begun is not None:
            verbs.append(self._advancing(begun, 0, computing, more_urgent=()))
        if places:
            verbs.append(self._claiming(0 if in_hand else computing, image_bytes, places))
        return Turn(Flight(self.client, *verbs), commits=ended is not None, claims=places > 0, in_hand=in_hand)

    def _committing(self, event: BatchEnded, results: Sequence[tuple[str, ItemResult]], took_s: float) -> Verb:
        keys = [
            *self._batch_keys,
            self.keys.blob_prefix,
            self.keys.active,
            self.keys.finished,
            self.keys.queued,
            self.keys.changed,
            self.keys.kept,
            self.keys.totals,
        ]
        flat: list[str | bytes | int] = []
        for job_id, result in results:
            flat += (job_id, result.index, 1 if result.error is None else 0, encode(result))
        args: list[Argument] = [
            self._now,
            event.batch_id,
            self.worker,
            encode_event(event),
            self.keep_images_ms,
            iso_now(),
            took_s,
            *flat,
        ]
        return "commit", keys, args

    def beat(self, info: WorkerInfo, held: Sequence[str]) -> bool:
        """Renew the worker and its leases; False where one of ``held`` is no longer its own."""
        keys = [self.keys.beats, self.keys.leases, self.keys.claims, RQ_WORKER_PREFIX + self.worker, self.keys.workers]
        args: list[Argument] = [self._now, self.worker, self.lease_ms, iso_now(), RQ_WORKER_TTL_S, encode(info), *held]
        return int(call(self.client, "beat", keys, args)) == len(held)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a batch for one of its queues was dispatched, or the time is over.

        The claim that follows is a trip of its own: sent along, it would be made for a frozen worker as well.
        """
        bells = [self.keys.doorbell(name) for level in self.queues for name in level]
        return self.client.blpop(bells, timeout=timeout_s) is not None

    @property
    def _batch_keys(self) -> list[str]:
        """What claim and commit both begin with, in the order of their headers."""
        return [
            self.keys.batches,
            self.keys.claims,
            self.keys.computing,
            self.keys.leases,
            self.keys.events,
            self.keys.job_prefix,
            RQ_JOB_PREFIX,
            RQ_WIP_PREFIX,
            RQ_FINISHED_PREFIX,
            RQ_FAILED_PREFIX,
            RQ_WORKER_PREFIX + self.worker,
        ]

    @property
    def _now(self) -> str:
        return "" if self.injected_now_ms is None else str(self.injected_now_ms)


class Turn:
    """From one batch to the next, on its way to Redis. Any thread may ask for its answers, again and again."""

    def __init__(self, flight: Flight, *, commits: bool, claims: bool, in_hand: bool) -> None:
        self._flight = flight
        self._in_hand = in_hand
        self._commits = commits
        self._claims = claims

    @property
    def sent(self) -> bool:
        """Whether it is on its way; where it could not be sent, all its answers say why."""
        return self._flight.sent

    def committed(self) -> bool:
        """Whether the batch before was committed; False where its lease was lost, or where none was to be.

        Raises:
            RedisError: the server refused it, or did not answer: it may have gone through all the same.
        """
        answers = self._flight.land()
        answer = answers[0] if self._commits else -1
        if isinstance(answer, RedisError):
            raise answer
        return int(answer) >= 0

    def claim(self) -> Claim | None:
        """The batch that was claimed; None where none waited, none was to be claimed, or the server did not answer.

        Raises:
            BadMessage: as :meth:`WorkerStore.claim`.
        """
        answer = self._flight.land()[-1] if self._claims else None
        # Nobody knows whether a claim without an answer was made. If it was, its lease runs out.
        return None if isinstance(answer, RedisError) else _claim_of(answer, in_turn=True, in_hand=self._in_hand)


def _claim_of(reply: Any, *, in_turn: bool = False, in_hand: bool = False) -> Claim | None:
    if reply is None:
        return None
    _, record, dropped, place, marked, images = reply
    positions = frozenset(int(part) for part in dropped.split(b",") if part)
    return Claim(decode(record, BatchRecord), positions, int(place), bool(marked), in_turn, in_hand, images)


def iso_now() -> str:
    """The time as RQ writes it."""
    # A tenth of what strftime takes, and every verb says the time.
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
