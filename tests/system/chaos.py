"""The chaos harness: a loaded system whose processes are killed and frozen, then a reading of its history.

``python -m tests.system.chaos --seconds 60 --seed 1`` runs it; `make chaos` and `make soak` do. Clients retry with
idempotency keys, as they would. Afterwards every accepted job must have reached one final state, with one result an
image, and nothing of the load may be left in Redis but what has a stated lifetime.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tenfold.store.connection import connect
from tests.integration.slow_disk import slow_fsync
from tests.system.chaos_reading import History, Reader, leftovers, read_everything
from tests.system.load import PICTURE, files
from tests.system.running import Running, running

LEASE_S = 3.0
WORKER_REST_S = LEASE_S + 10
"""Between two blows to one worker: closer ones would convict innocent images of costing it."""

FREEZE_S = LEASE_S + 1.5
LIFETIME_S = 60
"""Of finished jobs: over soon enough to see that nothing outlives it, long enough to read them first."""

VICTIMS = ("worker-1", "worker-2", "scheduler", "gateway", "redis", "values-worker")
VALUES = 20
SENT_SIZES = (1, 1, 1, 3, 10, 25, 60)
SENT_IN_PARTS = 0.3
"""The part of the jobs that are opened, added to and closed."""
SETTINGS = {
    "TENFOLD_LEASE_S": str(LEASE_S),
    "TENFOLD_KEEP_IMAGES_S": "5",
    "TENFOLD_RESULT_TTL_S": str(LIFETIME_S),
}


@dataclass
class Sender(threading.Thread):
    """A client that sends jobs one after the other and repeats each until it is accepted."""

    url: str
    history: History
    seed: int
    over: threading.Event

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        draw = random.Random(self.seed)
        number = 0
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.over.is_set():
                number += 1
                key = f"chaos-{self.seed}-{number}"
                if draw.random() < SENT_IN_PARTS:
                    self._send_in_parts(client, key, draw.choices(SENT_SIZES, k=draw.choice((1, 2, 4))))
                else:
                    self._send_whole(client, key, draw.choice(SENT_SIZES))
                self.over.wait(draw.uniform(0.0, 0.3))

    def _send_whole(self, client: httpx.Client, key: str, images: int) -> None:
        job = self._until_accepted(client, "/v1/jobs", key, images)
        if job:
            self.history.accept(job["id"], images)

    def _send_in_parts(self, client: httpx.Client, key: str, sizes: Sequence[int]) -> None:
        """An open job, its parts and its close: seen through to its end, since nobody else closes it in time."""
        job = self._until_accepted(client, "/v1/jobs?open=1", key, 0, steadfast=True)
        if not job:
            return
        at = f"/v1/jobs/{job['id']}"
        for number, images in enumerate(sizes):
            self._until_accepted(client, f"{at}/images", f"{key}-{number}", images, steadfast=True)
        self._until_accepted(client, f"{at}/close", f"{key}-close", 0, steadfast=True)
        self.history.accept(job["id"], sum(sizes))

    def _until_accepted(
        self, client: httpx.Client, path: str, key: str, images: int, *, steadfast: bool = False
    ) -> dict[str, Any] | None:
        """The answer once it is one; None where the run was over first, which only the ``steadfast`` do not heed.

        A request whose answer is lost may have been heard: what it opened is there until somebody closes it.
        """
        sent = files([PICTURE] * images) if images else None
        while True:
            try:
                reply = client.post(path, files=sent, headers={"Idempotency-Key": key})
            except httpx.HTTPError as error:
                self.history.answer(type(error).__name__)
            else:
                self.history.answer(str(reply.status_code))
                if reply.is_success:
                    answer: dict[str, Any] = reply.json()
                    return answer
                if reply.status_code not in {409, 429, 503} or reply.json()["code"] == "job_closed":
                    self.history.complain(f"{path} was answered with {reply.status_code}: {reply.text}")
                    return None
            if self.over.wait(0.3) and not steadfast:
                return None
            if steadfast:
                time.sleep(0.3)


@dataclass
class ValuesSender(threading.Thread):
    """A client that generates values, run after run; a run whose answer is lost is nobody's."""

    url: str
    history: History
    over: threading.Event

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.over.wait(2.0):
                try:
                    reply = client.post("/v1/values/generate", json={"count": VALUES, "within_s": 2})
                except httpx.HTTPError:
                    continue
                if reply.status_code == 202:
                    self.history.begin(reply.json()["id"], VALUES)
                elif reply.status_code != 503:
                    self.history.complain(f"a run of values was answered with {reply.status_code}: {reply.text}")


def strike(up: Running, history: History, seed: int, until_s: float) -> None:
    """Kill and freeze processes at random moments until then."""
    draw = random.Random(seed)
    rested_s: dict[str, float] = {}
    while time.monotonic() < until_s:
        time.sleep(draw.uniform(0.5, 3.0))
        name = draw.choice(VICTIMS)
        if rested_s.get(name, 0.0) > time.monotonic():
            continue
        victim = up.children().get(name)
        if victim is None:
            continue
        if name.startswith("worker"):
            rested_s[name] = time.monotonic() + WORKER_REST_S
        _blow(victim, name, history, freeze=draw.random() < 0.3)


def _blow(victim: psutil.Process, name: str, history: History, *, freeze: bool) -> None:
    try:
        if not freeze:
            history.strike(f"{name} killed")
            victim.kill()
            return
        history.strike(f"{name} frozen")
        victim.send_signal(signal.SIGSTOP)
        time.sleep(FREEZE_S)
        victim.send_signal(signal.SIGCONT)
    except psutil.NoSuchProcess:
        pass


def run(
    seconds: float, seed: int, folder: Path, *, senders: int = 3, env: Mapping[str, str] | None = None
) -> tuple[History, list[str]]:
    """Run the system for ``seconds`` under load and blows; what happened, and what is wrong with it."""
    history = History()
    over = threading.Event()
    # Workers have a second batch in hand where ten images take less than 20 ms: with every other seed.
    model = f"synthetic:base_ms=4,item_ms={1 + seed % 2}"
    flags = ("--no-sample", "--workers", "2", "--model", model)
    with running(folder, *flags, env={**SETTINGS, **(env or {})}) as up:
        store = connect(up.redis_url())
        reader = Reader(up.url, store, history)
        clients: list[threading.Thread] = [
            Sender(up.url, history, seed * 1000 + number, over) for number in range(senders)
        ]
        clients.append(ValuesSender(up.url, history, over))
        for thread in (reader, *clients):
            thread.start()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(strike, up, history, seed, time.monotonic() + seconds).result()
        over.set()
        for client in clients:
            client.join(60)
        wrong = read_everything(reader, within_s=150)
        return history, history.complaints + wrong + leftovers(store, LIFETIME_S, sum(history.values_runs.values()))


def main() -> int:
    """Run and print what happened; exit status 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description="Kill and freeze a loaded system, then check its history.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fsync-s", type=float, default=0.0, help="a slow disk: how long each fsync takes")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tfchaos") as folder:
        library = slow_fsync(Path(folder), flags.fsync_s) if flags.fsync_s else None
        if flags.fsync_s and library is None:
            parser.error("--fsync-s needs a C compiler")
        env = {"LD_PRELOAD": str(library)} if library else {}
        history, wrong = run(flags.seconds, flags.seed, Path(folder), env=env)
        log = Path(folder, "up.log").read_text()
    print(f"seed {flags.seed}: {len(history.accepted)} jobs, {sum(history.accepted.values())} images accepted")
    print(f"values: {len(history.values_runs)} runs, {sum(history.values_runs.values())} values")
    print("blows:", dict(sorted(history.blows.items())))
    print("answers:", dict(sorted(history.answers.items())))
    print("\n".join(wrong) if wrong else "nothing lost, nothing doubled, nothing stuck, nothing left over")
    if wrong:
        print("\n".join(history.times), *log.splitlines()[-200:], sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
