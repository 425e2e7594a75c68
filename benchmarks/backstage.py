"""The queue without HTTP: a Redis, a scheduler and workers with a model of cost 0, fed through the gateway's store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import ROOT
from benchmarks.processes import Tree, running
from tenfold.contract.codec import decode
from tenfold.contract.records import POOL, ItemMeta, ModelInfo, Submission
from tenfold.redis_server import RedisServer
from tenfold.store.bounds import Bounds
from tenfold.store.connection import connect, connect_async
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.keys import Keys
from tenfold.store.upload_store import UploadStep

START_S = 60.0
DRAIN_S = 300.0
CLIENTS = 4
RESULT_TTL_S = 600


@dataclass
class Backstage:
    """A running system behind the gateway; its model waits ``cost`` for nothing."""

    url: str
    redis: Any
    trees: dict[str, Tree]
    server: RedisServer
    keys: Keys = field(default_factory=Keys)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def model(self) -> ModelInfo:
        """What the workers announce."""
        return decode(next(iter(self.redis.hgetall(self.keys.models).values())), ModelInfo)

    def drain(self, jobs: int, images: int, picture: bytes | None) -> float:
        """Upload ``jobs`` jobs of ``images``, then submit them all and wait: seconds from the first to the last result.

        Without a picture nothing is uploaded, and each image ends as one that is no longer stored.
        """
        return asyncio.run(self._drain(jobs, images, picture, jobs * images))

    def drain_part(self, jobs: int, images: int, until: int) -> float:
        """Submit ``jobs`` jobs of ``images`` images without pictures; seconds until ``until`` images have ended."""
        return asyncio.run(self._drain(jobs, images, None, until))

    def commands(self) -> dict[str, int]:
        """Reads and commands that the server has processed."""
        info = self.redis.info("stats")
        return {"reads": info["total_reads_processed"], "commands": info["total_commands_processed"]}

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, by role."""
        assert self.server.process is not None
        import psutil

        redis_s = sum(psutil.Process(self.server.process.pid).cpu_times()[:2])
        return {"redis": redis_s, **{name: tree.cpu_s() for name, tree in self.trees.items()}}

    async def _drain(self, jobs: int, images: int, picture: bytes | None, until: int) -> float:
        client = connect_async(self.url)
        store = GatewayStore(client, self.keys, Bounds(10**8, 10**12, 1.0), RESULT_TTL_S)
        try:
            ready = [await self._upload(store, images, picture) for _ in range(jobs)]
            began = time.perf_counter()
            for submission in ready:
                await store.submit(submission, {})
            # A lone batch takes a few milliseconds, and a look half of one; a crowd would feel so many looks.
            await self._until_left(client, jobs * images - until, 0.0002 if jobs == 1 else 0.005)
            return time.perf_counter() - began
        finally:
            await client.aclose()

    async def _upload(self, store: GatewayStore, images: int, picture: bytes | None) -> Submission:
        number, model = next(self._numbers), self.model
        job_id, client = f"bench{number:08d}", f"client{number % CLIENTS}"
        now_ms = await store.now_ms()
        for step in _steps(job_id, client, images, picture):
            await store.write_upload(step, now_ms)
        size = model.sizes[0]
        return Submission(
            job_id=job_id,
            client=client,
            model=model.name,
            size=size,
            pool=POOL,
            lane=model.lane(size),
            count=images,
            bytes=images * len(picture or b""),
            submitted_ms=now_ms,
        )

    async def _until_left(self, client: Any, images: int, pause_s: float) -> None:
        """Wait until at most ``images`` are queued, looking every ``pause_s``."""
        async with asyncio.timeout(DRAIN_S):
            while int(await client.hget(self.keys.queued, "items") or 0) > images:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(pause_s)


def _steps(job_id: str, client: str, images: int, picture: bytes | None) -> Iterator[UploadStep]:
    """A hundred pictures a step, as the gateway flushes them; without a picture the upload is only registered."""
    if picture is None:
        yield UploadStep(job_id, client, first=True, images=images)
        return
    for start in range(0, images, 100):
        stop = min(images, start + 100)
        pieces = [(index, 0, picture) for index in range(start, stop)]
        metas = [ItemMeta("picture.jpg", len(picture))] * images if stop == images else []
        yield UploadStep(job_id, client, first=start == 0, images=stop, pieces=pieces, metas=metas)


@contextmanager
def backstage(folder: Path, model: str, workers: int, env: Mapping[str, str] | None = None) -> Iterator[Backstage]:
    """It is up, with ``workers`` workers that serve ``model``, until the block ends. Raises TimeoutError."""
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(folder / "redis"))
        settings = {
            "PYTHONPATH": str(ROOT),
            "TENFOLD_REDIS_URL": server.url,
            "TENFOLD_MODEL": model,
            "TENFOLD_QUEUED_ITEMS_MAX": "100000000",
            "TENFOLD_CLIENT_SHARE_MAX": "1",
            "TENFOLD_LOG_LEVEL": "warning",
            **(env or {}),
        }
        trees = {"scheduler": _start(stack, folder, settings, "scheduler", "scheduler")}
        for number in range(1, workers + 1):
            name = f"worker-{number}"
            trees[name] = _start(stack, folder, settings, name, "inference_worker", "--name", name, "--threads", "1")
        redis = stack.enter_context(contextlib.closing(connect(server.url)))
        stage = Backstage(server.url, redis, trees, server)
        _until_up(lambda: bool(redis.hlen(stage.keys.workers) == workers and redis.exists(stage.keys.leader)), trees)
        yield stage


def _start(stack: ExitStack, folder: Path, settings: Mapping[str, str], name: str, *command: str) -> Tree:
    line: Sequence[str] = (sys.executable, "-m", *command)
    return stack.enter_context(running(line, settings, folder / f"{name}.log"))


def _until_up(condition: Callable[[], bool], trees: Mapping[str, Tree]) -> None:
    give_up_at = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > give_up_at:
            said = "\n".join(f"{name}: {tree.tail()}" for name, tree in trees.items())
            raise TimeoutError(f"the system did not come up:\n{said}")
        time.sleep(0.05)
