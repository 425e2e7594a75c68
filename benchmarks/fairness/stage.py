"""A whole system for the fairness scenes: Redis, scheduler, gateway and workers, each by its own command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fairness.caller import Caller, CallFailed
from benchmarks.peers.environments import ROOT
from benchmarks.processes import Tree, free_port, running
from tenfold.redis_server import RedisServer
from tenfold.services import command_line

START_S = 90.0
HOST = "127.0.0.1"
MODEL = "synthetic:base_ms=5,item_ms=20"


@dataclass(frozen=True)
class Stage:
    """A running system; every name in ``clients`` is a client of its own, by its API key."""

    port: int
    clients: tuple[str, ...]

    def caller(self, name: str) -> Caller:
        """The client called ``name``."""
        assert name in self.clients, f"{name} has no key"
        return Caller(HOST, self.port, _secret(name))


@contextmanager
def stage(
    folder: Path,
    clients: Sequence[str],
    workers: Mapping[str, Sequence[str]],
    model: str = MODEL,
    env: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """It is up until the block ends, with a worker for each name in ``workers``, given those flags.

    Raises TimeoutError where it does not come up.
    """
    port = free_port()
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(folder / "redis"))
        settings = {
            "PYTHONPATH": str(ROOT),
            "TENFOLD_REDIS_URL": server.url,
            "TENFOLD_MODEL": model,
            "TENFOLD_API_KEYS": ",".join(f"{name}:{_secret(name)}" for name in clients),
            "TENFOLD_LOG_LEVEL": "warning",
            **(env or {}),
        }
        lines = {"scheduler": ("scheduler",), "gateway": ("gateway", "--host", HOST, "--port", str(port))}
        lines |= {name: ("worker", "--name", name, *flags) for name, flags in workers.items()}
        trees = {
            name: stack.enter_context(running(command_line(*line), settings, folder / f"{name}.log"))
            for name, line in lines.items()
        }
        up = Stage(port, tuple(clients))
        asyncio.run(_until_up(up, set(workers), trees))
        yield up


async def _until_up(up: Stage, workers: set[str], trees: Mapping[str, Tree]) -> None:
    give_up_at = time.monotonic() + START_S
    async with up.caller(up.clients[0]) as caller:
        while not await _is_up(caller, workers):
            dead = [name for name, tree in trees.items() if tree.process.poll() is not None]
            if dead or time.monotonic() > give_up_at:
                said = "\n".join(f"{name}: {tree.tail()}" for name, tree in trees.items())
                raise TimeoutError(f"the system did not come up (ended: {', '.join(dead) or 'none'}):\n{said}")
            await asyncio.sleep(0.1)


async def _is_up(caller: Caller, workers: set[str]) -> bool:
    try:
        await caller.ask("GET", "/readyz")
        known = (await caller.ask("GET", "/v1/workers"))["workers"]
    except CallFailed:
        return False
    # A worker's name has a few characters more than it was given.
    return {str(worker["name"]).rpartition(".")[0] for worker in known} == workers


def _secret(name: str) -> str:
    return f"{name}-of-the-benchmark"
