"""The system as it stands in Redis: who leads, which workers live, what they hold, and what the scheduler tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from tenfold.contract.codec import decode
from tenfold.contract.records import ModelInfo, ReloadOutcome, ReloadRequest, WorkerInfo
from tenfold.store.keyspace import AsyncKeyspace


@dataclass(frozen=True, slots=True)
class Reload:
    """A request to load a model anew, and what came of it so far by worker."""

    request: ReloadRequest
    outcomes: Mapping[str, ReloadOutcome]


class SystemReader(AsyncKeyspace):
    """Reads of what is not a job's."""

    __slots__ = ()

    async def ping(self) -> None:
        """Raise where Redis does not answer."""
        await self.client.ping()

    async def now_ms(self) -> float:
        """Redis' clock."""
        seconds, micros = await self.client.time()
        return float(seconds * 1000 + micros / 1000)

    async def scheduler_leads(self) -> bool:
        """Whether some scheduler is active."""
        return bool(await self.client.exists(self.keys.leader))

    async def status(self) -> dict[str, object] | None:
        """What the scheduler last published of its queues, or None where none has for some seconds."""
        raw = await self.client.get(self.keys.status)
        return None if raw is None else cast("dict[str, object]", msgspec.json.decode(raw))

    async def workers(self, now_ms: float, lost_after_ms: float) -> list[tuple[WorkerInfo, float]]:
        """The living workers and when each last beat."""
        pipe = self.client.pipeline(transaction=False)
        pipe.hgetall(self.keys.workers)
        pipe.zrange(self.keys.beats, 0, -1, withscores=True)
        records, beats = await pipe.execute()
        at = {name: float(score) for name, score in beats}
        return [
            (decode(raw, WorkerInfo), at[name])
            for name, raw in records.items()
            if name in at and at[name] >= now_ms - lost_after_ms
        ]

    async def open_jobs(self) -> int:
        """How many jobs are open for more images."""
        return int(await self.client.zcard(self.keys.open_jobs))

    async def claims(self) -> dict[str, str]:
        """Batch id → worker of every batch that is held: the one that computes, and the one in hand."""
        return {
            batch.decode(): worker.decode() for batch, worker in (await self.client.hgetall(self.keys.claims)).items()
        }

    async def models(self) -> list[ModelInfo]:
        """Every model that a worker serves or served."""
        return [decode(raw, ModelInfo) for raw in (await self.client.hgetall(self.keys.models)).values()]

    async def reloads(self) -> list[Reload]:
        """The last reload of each model that was ever reloaded, with what came of it so far."""
        requests = [decode(raw, ReloadRequest) for raw in (await self.client.hgetall(self.keys.reloads)).values()]
        pipe = self.client.pipeline(transaction=False)
        for request in requests:
            pipe.hgetall(self.keys.reload(request.id))
        told = await pipe.execute() if requests else []
        return [
            Reload(request, {worker.decode(): decode(raw, ReloadOutcome) for worker, raw in outcomes.items()})
            for request, outcomes in zip(requests, told, strict=True)
        ]
