"""Once a second: take back what dead workers held, put back what fell out of a queue, drop what is over."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tenfold.contract.events import WireEvent, WorkerJoined, WorkerLeft
from tenfold.contract.records import WorkerInfo
from tenfold.store.caretaker import Caretaker
from tenfold.store.scheduler_store import SchedulerStore

log = logging.getLogger("tenfold.scheduler")


@dataclass(slots=True)
class Reaper:
    """Holds Redis against what should be there.

    Attributes:
        lease_ms: a worker that has not beaten for so long is gone.
        open_job_ms: an open job to which nothing was added for so long is closed.
    """

    store: SchedulerStore
    caretaker: Caretaker
    lease_ms: float
    open_job_ms: float

    def sweep(self, token: str, now_ms: float, known: frozenset[str]) -> list[WireEvent]:
        """One round; events about workers that came or went without saying so. ``known`` are those that the core knows.

        Lost batches tell of themselves on the stream.

        Raises:
            LeadershipLost: another scheduler leads.
        """
        for batch_id in self.store.reap(token):
            log.warning("the lease of batch %s ran out: its images wait again", batch_id, extra={"batch": batch_id})
        self._put_back(token)
        self._close_idle(token, now_ms)
        self.caretaker.abandon_uploads(now_ms)
        self.caretaker.sweep_ended_jobs()
        self.caretaker.drop_kept_images(now_ms)
        self.caretaker.drop_old_jobs(now_ms)
        self.caretaker.drop_results()
        return self._changes_among_workers(now_ms, known)

    def _changes_among_workers(self, now_ms: float, known: frozenset[str]) -> list[WireEvent]:
        for name in self.store.forget_workers(now_ms - self.lease_ms):
            said = f"worker {name} has not been heard of for {self.lease_ms / 1000:.0f} s: it counts as gone"
            log.warning("%s", said, extra={"worker": name})
        living = self._by_name(self.store.workers(now_ms - self.lease_ms))
        came: list[WireEvent] = [WorkerJoined(info) for name, info in living.items() if name not in known]
        return came + [WorkerLeft(name) for name in known - living.keys()]

    def _close_idle(self, token: str, now_ms: float) -> None:
        why = f"nothing was added for {self.open_job_ms / 1000:g} s"
        for job_id in self.store.close_idle(token, now_ms - self.open_job_ms, why):
            log.info("job %s was open and %s: it is closed", job_id, why, extra={"job": job_id})

    def _put_back(self, token: str) -> None:
        for batch in self.store.waiting_batches():
            where = batch.record
            if self.store.requeue(token, where.id, lane=where.lane, level=batch.level):
                log.warning("batch %s was queued but in no queue: it was put back", where.id, extra={"batch": where.id})

    @staticmethod
    def _by_name(workers: list[WorkerInfo]) -> dict[str, WorkerInfo]:
        return {worker.name: worker for worker in workers}
