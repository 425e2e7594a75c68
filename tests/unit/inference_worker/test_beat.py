"""The worker's pulse."""

import threading
from collections.abc import Sequence

from redis.exceptions import ConnectionError as RedisConnectionError

from inference_worker.beat import Beat, Held, Limits, beat_interval_s

LIMITS = Limits(interval_s=0.01, batch_timeout_s=60, grace_s=25)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_interval() -> None:
    """A beat comes often enough that two may be missed, and every five seconds at least."""
    assert beat_interval_s(15) == 5
    assert beat_interval_s(3) == 1
    assert beat_interval_s(600) == 5


def test_held() -> None:
    """Leases are held from their claim to their end."""
    held = Held()
    held.add("b")
    held.add("a")
    held.remove("b")
    held.remove("unknown")
    assert held.batches() == ["a"]


def test_computing_time() -> None:
    """Only the time inside a batch counts."""
    clock = Clock()
    held = Held(clock)
    clock.now = 100
    assert held.computing_s() == 0
    with held.computing():
        clock.now = 107
        assert held.computing_s() == 7
    assert held.computing_s() == 0


def test_overdue() -> None:
    """A batch beyond its timeout, or a stop beyond its grace, is a reason to end; each reason names its setting."""
    clock = Clock()
    held = Held(clock)
    stopping = [0.0]
    beat = Beat(held, LIMITS, lambda _: None, lambda: stopping[0])
    assert beat.overdue() is None
    with held.computing():
        clock.now = 60.5
        assert "TENFOLD_BATCH_TIMEOUT_S" in (beat.overdue() or "")
    stopping[0] = 25.5
    assert "TENFOLD_GRACE_S" in (beat.overdue() or "")


def test_beats_with_what_is_held() -> None:
    """Each beat carries the batches held; a Redis that does not answer does not stop it."""
    beaten = threading.Event()
    seen: list[Sequence[str]] = []

    def pulse(batches: Sequence[str]) -> None:
        seen.append(batches)
        if len(seen) == 2:
            raise RedisConnectionError("away")
        if len(seen) > 3:
            beaten.set()

    held = Held()
    held.add("a")
    beat = Beat(held, LIMITS, pulse, lambda: 0.0)
    beat.start()
    assert beaten.wait(10)
    beat.stop()
    assert seen[0] == ["a"]


def test_ends_the_process_and_beats_no_more() -> None:
    """When a batch hangs, the process is ended, and no beat follows."""
    clock = Clock()
    held = Held(clock)
    reasons: list[str] = []
    ended = threading.Event()
    beats: list[Sequence[str]] = []

    def end(reason: str) -> None:
        reasons.append(reason)
        ended.set()

    with held.computing():
        clock.now = 61
        beat = Beat(held, LIMITS, beats.append, lambda: 0.0, end)
        beat.start()
        assert ended.wait(10)
        beat.stop()
    assert len(reasons) == 1
    assert beats == []
