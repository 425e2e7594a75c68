from pathlib import Path

import pytest

from benchmarks.__main__ import SCENES
from benchmarks.fairness import scenes
from benchmarks.fairness.beside import Block, Job, Single, arrivals
from benchmarks.fairness.ledger import Ledger
from benchmarks.fairness.overload import Bound
from benchmarks.fairness.rivals import MANY, ONE_JOB, shares_of
from benchmarks.fairness.service import Records, both, waiting_spans, windows
from scheduler.core.config import CoreConfig

CREATED = "2026-11-23T10:00:00.000Z"


def _result(index: int, batch: str, queued_ms: float, inference_ms: float) -> dict[str, object]:
    return {
        "index": index,
        "timing": {"queued_ms": queued_ms, "decode_ms": 0.0, "inference_ms": inference_ms},
        "batch": {"id": batch, "size": 2, "level": 2, "worker": "w"},
    }


def test_a_batchs_micro_batches_follow_its_claim_in_order() -> None:
    """What ran together took the same time; the first begins at the claim, the next where it ends."""
    records = Records()
    records.add("a", {"id": "j", "created_at": CREATED}, [_result(0, "b1", 10, 30.0), _result(1, "b1", 10, 20.0)])
    (batch,) = records.batches()
    first, second = batch.pieces
    assert (first.start_ms, first.end_ms) == (batch.claimed_ms, batch.claimed_ms + 30)
    assert (second.start_ms, second.end_ms) == (first.end_ms, first.end_ms + 20)


def test_a_shared_micro_batch_is_split_between_its_clients() -> None:
    """Two clients in one batch got half of it each; alternating batches give even shares in every window."""
    records = Records()
    for number in range(40):
        client = ONE_JOB if number % 2 else MANY
        records.add(
            client, {"id": f"j{number}", "created_at": CREATED}, [_result(0, f"b{number:02}", number * 50, 50.0)]
        )
    found = shares_of(records, window_ms=200.0)
    assert found.shares
    assert found.shares == pytest.approx([0.5] * len(found.shares))


def test_windows_lie_where_both_wait() -> None:
    """A window reaches neither before the later of both came nor beyond the last claim of either."""
    records = Records()
    records.add("a", {"id": "a", "created_at": CREATED}, [_result(0, "b1", 1000, 10.0)])
    records.add("b", {"id": "b", "created_at": "2026-11-23T10:00:00.400Z"}, [_result(0, "b2", 300, 10.0)])
    batches = records.batches()
    spans = both(waiting_spans(batches, "a"), waiting_spans(batches, "b"))
    assert [round(end - start) for start, end in spans] == [300]
    assert len(list(windows(spans, 200.0, 100.0))) == 2
    assert not list(windows(spans, 400.0, 100.0))


def test_a_job_is_freed_of_the_singles_that_ran_meanwhile() -> None:
    """Only singles claimed between its acceptance and its end count."""
    inside, after = (Single(30, at_ms - 5, at_ms, 25, "w") for at_ms in (500.0, 2000.0))
    job = Job(0.0, 1000.0, 500.0, 400.0)
    assert Block([inside, after], [], [job]).less_singles_ms(job) == 975.0
    assert job.eta_error == pytest.approx(0.2)


def test_the_bound_is_the_theorems() -> None:
    """A + T + F for one worker: patience, a turn of each other client, two batches and what messages take."""
    assert Bound(CoreConfig(), clients=21, batch_ms=205, latency_ms=0).ms == 2000 + 20 * 205 + 2 * 205 + 20 + 1


def test_the_same_seed_gives_the_same_arrivals() -> None:
    """Both sides of a comparison meet the same singles; as many as asked for come after the lead."""
    times_s = arrivals(50, seed=3)
    assert times_s == arrivals(50, seed=3)
    assert sum(at_s >= 10.0 for at_s in times_s) == 50


def test_a_resumed_run_measures_nothing_twice(tmp_path: Path) -> None:
    """What is on the disk is taken; without ``resume`` everything is measured again."""
    path = tmp_path / "fairness.json"
    Ledger.opened(path, resume=False).step("a", list[int], lambda: [1])
    again = Ledger.opened(path, resume=True)
    assert again.step("a", list[int], lambda: [2]) == [1]
    assert again.reused == 1
    assert Ledger.opened(path, resume=False).step("a", list[int], lambda: [3]) == [3]


def test_the_command_knows_every_scene() -> None:
    """``--scenes`` offers what the part plays."""
    assert tuple(scenes.SCENES) == SCENES
