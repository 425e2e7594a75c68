"""A worker inside the test's own process: the real class on a real Redis, one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inference_worker.ahead import Ahead
from inference_worker.decoders import Decoders
from inference_worker.resident import Resident
from inference_worker.residents import Residents
from inference_worker.runner import BatchRunner
from inference_worker.stopping import StopFlag
from inference_worker.worker import InferenceWorker
from models.detector import TellsIdleCores
from tenfold.contract.records import POOL, WorkerInfo
from tests.integration.inference_worker.dispatching import Desk
from tests.unit.inference_worker.toy import SIZE, Toy


def toy_desk(url: str) -> Desk:
    """A desk for the toy detector."""
    return Desk(url, model="toy", size=SIZE)


@dataclass
class Colleague:
    """A worker that has joined, and what it is made of."""

    desk: Desk
    name: str = "w1"
    levels: Sequence[int] = (0, 1, 2)
    lease_ms: int = 5_000
    toy: Toy = field(default_factory=Toy)
    ahead: Ahead | None = None

    def __post_init__(self) -> None:
        self.stop = StopFlag()
        spares_cores = self.ahead is not None and not isinstance(self.toy, TellsIdleCores)
        self.residents = Residents([Resident.of(self.toy, spares_cores=spares_cores)])
        self.store = self.desk.store(self.name, self.levels, self.lease_ms)
        lanes = [self.desk.lane]
        info = WorkerInfo(self.name, POOL, lanes, list(self.levels), self.residents.served, "cpu", "here", 1, 0.0)
        self.worker = InferenceWorker(self.store, info, self.residents.infos, 10, self.stop)
        self.decoders = Decoders(2, 10**6)
        self.runner = BatchRunner(
            self.name, self.residents, self.decoders, self.worker.blobs, lambda: bool(self.stop), self.ahead
        )
        self.worker.pulse([])

    def close(self) -> None:
        self.decoders.close()

    def cut_finely(self) -> None:
        """Let batches of the lower levels run image by image."""
        for images in (1, 10):
            self.runner.curve(self.desk.lane).record(images, images * 10.0)

    def work(self, between: Callable[[], None] = lambda: None) -> int:
        """Run what waits, until nothing does; how many batches that were."""
        count = 0
        claim = self.store.claim(computing=10, image_bytes=self.runner.image_bytes)
        while claim is not None:
            between()
            claim = self.worker._run(claim, self.runner)
            count += 1
        return count
