"""Messages that come late, twice or about nothing, and what a restart tells."""

from scheduler.core.decisions import DispatchBatch
from scheduler.core.events import (
    BatchClaimed,
    BatchEnded,
    BatchLost,
    BatchRestored,
    JobEnded,
    JobRestored,
    JobSubmitted,
    TimePassed,
    WorkerJoined,
    WorkerLeft,
)
from tests.unit.scheduler.core.scene import LANE, Scene, submission, worker_info


def test_a_doubled_submission_changes_nothing() -> None:
    """While the job is active and after it ended."""
    scene = Scene()
    scene.worker()
    scene.job("j", 3)
    assert scene.job("j", 3) == []
    scene.run_one()
    assert scene.job("j", 3) == []


def test_a_cancel_may_come_before_its_submission() -> None:
    """Then the job never starts."""
    scene = Scene()
    scene.worker()
    scene.cancel("j")
    scene.job("j", 3)
    assert not scene.queue


def test_messages_about_nothing_change_nothing() -> None:
    """Unknown jobs, batches and workers are no reason to fall over."""
    scene = Scene()
    said = scene.tell(
        JobEnded("nobody", "canceled"),
        BatchClaimed("000001-000000001", "w"),
        BatchEnded("000001-000000001", "w", left=[0, 5], pieces=[(1, 2.0)]),
        BatchLost("000001-000000001", left=[0], alone=[0]),
        WorkerLeft("w"),
    )
    assert said == []


def test_a_second_end_of_a_batch_changes_nothing() -> None:
    """Its images are settled once."""
    scene = Scene()
    scene.worker()
    scene.job("j", 12)
    batch = scene.run_one()
    open_items = scene.core.jobs["j"].outstanding
    scene.end(batch)
    scene.lose(batch, left=range(10))
    assert scene.core.jobs["j"].outstanding == open_items


def test_a_batch_may_end_before_its_claim_is_heard_of() -> None:
    """The late claim is ignored and the worker holds nothing."""
    scene = Scene()
    scene.worker()
    scene.job("j", 5)
    batch = scene.queue.pop()
    scene.end(batch)
    scene.tell(BatchClaimed(batch.batch_id, "w"))
    assert not scene.core.batches
    assert scene.core.workers()[0].batches == []


def test_time_never_runs_backwards() -> None:
    """An earlier time counts as the latest one."""
    scene = Scene()
    scene.now_ms = 5000.0
    scene.worker()
    scene.now_ms = 100.0
    said = scene.job("j")
    assert {getattr(one, "at_ms", 5000.0) for one in said} == {5000.0}


def test_a_restart_dispatches_nothing_until_all_is_told() -> None:
    """Waiting images go only when the batches that are under way are known, and those are not made again."""
    scene = Scene()
    scene.tell(WorkerJoined(worker_info("w")))
    said = scene.tell(JobRestored(submission("j", 30), [(20, 30)], served=0))
    said += scene.tell(BatchRestored("000006-000000001", "net", LANE, 1, [("j", k) for k in range(10)], "w"))
    said += scene.tell(BatchRestored("000006-000000002", "net", LANE, 1, [("j", k) for k in range(10, 20)]))
    assert not [one for one in said if isinstance(one, DispatchBatch)]
    assert scene.core.next_wakeup_ms() is not None
    scene.tell(TimePassed())
    assert not scene.queue
    scene.tell(BatchEnded("000006-000000001", "w"))
    assert [batch.items for batch in scene.queue] == [[("j", k) for k in range(20, 30)]]


def test_a_restored_job_is_at_the_level_that_it_had_sunk_to() -> None:
    """Its served images are counted against the allotments from its entry on."""
    scene = Scene()
    scene.tell(JobRestored(submission("young", 60), [(20, 60)], served=20), TimePassed())
    scene.tell(JobRestored(submission("old", 60), [(55, 60)], served=55), TimePassed())
    assert (scene.level("young"), scene.level("old")) == (1, 2)


def test_a_restored_job_without_anything_left_is_over() -> None:
    """Neither waiting nor in a batch: nothing is to be done for it."""
    scene = Scene()
    scene.tell(JobRestored(submission("j", 5), [], served=5))
    scene.tell(TimePassed())
    assert not scene.core.jobs


def test_events_that_are_read_together_share_batches() -> None:
    """``handle_all`` decides after the last of them."""
    scene = Scene()
    scene.worker()
    scene.tell(*(JobSubmitted(submission(f"j{k}")) for k in range(7)))
    assert scene.sizes() == [7]


def test_batch_ids_begin_with_the_epoch_and_rise() -> None:
    """Ids of one leadership sort in the order of dispatch, after those of every earlier one."""
    scene = Scene()
    scene.worker()
    scene.job("j", 40)
    ids = [scene.run_one().batch_id for _ in range(4)]
    assert ids == sorted(ids)
    assert ids[0] == "000007-000000001"
