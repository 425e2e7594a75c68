"""A scheduler and values workers as the processes that they are, on a private Redis, and what a gateway would ask."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.crud.values import draw_moments
from tenfold.store.connection import connect, connect_async
from tenfold.store.keys import Keys
from tenfold.store.values_run import RunView
from tenfold.store.values_store import ValuesStore
from tests.integration.waiting import wait_for

RUN_TTL_S = 2


@dataclass
class System:
    url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = connect(self.url)
        self.keys = Keys()

    def start(self, service: str, *flags: str) -> subprocess.Popen[bytes]:
        settings = {"TENFOLD_REDIS_URL": self.url, "TENFOLD_RESULT_TTL_S": str(RUN_TTL_S), "TENFOLD_LEASE_S": "2"}
        env = {name: value for name, value in os.environ.items() if not name.startswith("TENFOLD_")}
        process = subprocess.Popen([sys.executable, "-m", "tenfold", service, *flags], env={**env, **settings})
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        """A scheduler, once somebody leads."""
        process = self.start("scheduler")
        wait_for(lambda: self.client.exists(self.keys.leader))
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        """A values worker, once it is known."""
        known = self.workers()
        process = self.start("values-worker")
        wait_for(lambda: self.workers() - known)
        return process

    def workers(self) -> set[bytes]:
        return set(self.client.hkeys(self.keys.values_workers))

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.client.close()

    def ask(self, verb: str, *args: Any) -> Any:
        """Call an asynchronous verb of the gateway's side."""

        async def run() -> Any:
            async with connect_async(self.url) as client:
                store = ValuesStore(client, self.keys, 2**28, 100_000, RUN_TTL_S)
                return await getattr(store, verb)(*args)

        return asyncio.run(run())

    def generate(self, run_id: str, count: int, within_s: float) -> Sequence[float]:
        """Begin a run; its moments, milliseconds on Redis' clock."""
        moments = draw_moments(count, within_s, Random(run_id))
        began_ms = self.ask("generate", run_id, "c", within_s * 1000, moments)
        return [began_ms + moment for moment in moments]

    def now_ms(self) -> float:
        seconds, micros = self.client.time()
        return float(seconds * 1000 + micros / 1000)

    def run(self, run_id: str) -> RunView:
        view = self.ask("run", run_id)
        assert isinstance(view, RunView)
        return view

    def ended(self, run_id: str, within_s: float = 120.0) -> RunView:
        """The run once it is final; it must still be kept then."""
        wait_for(lambda: self.client.hget(self.keys.run(run_id), "finished_ms"), within_s=within_s)
        return self.run(run_id)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
