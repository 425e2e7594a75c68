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
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tenfold.store.connection import BytesRedis, connect
from tests.system.load import FINAL, PICTURE, files
from tests.system.running import Running, eventually, running

LEASE_S = 3.0
WORKER_REST_S = LEASE_S + 10
"""Between two blows to one worker: closer ones would convict innocent images of costing it."""

FREEZE_S = LEASE_S + 1.5
VICTIMS = ("worker-1", "worker-2", "scheduler", "gateway", "redis")
SENT_SIZES = (1, 1, 1, 3, 10, 25, 60)
SENT_IN_PARTS = 0.3
"""The part of the jobs that are opened, added to and closed."""
SETTINGS = {
    "TENFOLD_LEASE_S": str(LEASE_S),
    "TENFOLD_KEEP_IMAGES_S": "5",
    "TENFOLD_RESULT_TTL_S": "600",
}


@dataclass
class History:
    """What happened: accepted jobs with their size, blows by kind, and what clients were told."""

    accepted: dict[str, int] = field(default_factory=dict)
    blows: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, job_id: str, images: int) -> None:
        with self.lock:
            assert self.accepted.setdefault(job_id, images) == images

    def answer(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1


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
        job = self._until_accepted(client, "/v1/jobs?open=1", key, 0)
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
        """The answer once it is one; None where the run was over first, which only the ``steadfast`` do not heed."""
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
                assert reply.status_code in {409, 429, 503}, reply.text
                assert reply.json()["code"] != "job_closed", reply.text
            if self.over.wait(0.3) and not steadfast:
                return None
            if steadfast:
                time.sleep(0.3)


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
            history.blows[f"{name} killed"] += 1
            victim.kill()
            return
        history.blows[f"{name} frozen"] += 1
        victim.send_signal(signal.SIGSTOP)
        time.sleep(FREEZE_S)
        victim.send_signal(signal.SIGCONT)
    except psutil.NoSuchProcess:
        pass


def check(up: Running, history: History) -> list[str]:
    """What is wrong with the history; empty where nothing is."""
    with httpx.Client(base_url=up.url, timeout=30) as client:
        wrong = [
            complaint for job_id, images in history.accepted.items() for complaint in _check_job(client, job_id, images)
        ]
    return wrong + _check_redis(up, history)


def _check_job(client: httpx.Client, job_id: str, images: int) -> str:
    job = client.get(f"/v1/jobs/{job_id}").json()
    counts = job.get("images", {})
    if job.get("state") != "succeeded" or counts != {"total": images, "done": images, "failed": 0}:
        return f"job {job_id} of {images} images is {job.get('state')} with {counts}"
    return ""


def _check_redis(up: Running, history: History) -> list[str]:
    store = connect(up.redis_url())
    wrong = [_check_commits(store, job_id, images) for job_id, images in history.accepted.items()]
    left = ("queued", "batches", "claims", "computing", "leases", "active", "open")
    wrong += [f"tenfold:{key} is left over" for key in left if store.exists(f"tenfold:{key}")]
    return [complaint for complaint in wrong if complaint]


def _check_commits(store: BytesRedis, job_id: str, images: int) -> str:
    order = [int(index) for index in store.lrange(f"tenfold:job:{job_id}:order", 0, -1)]
    if sorted(order) == list(range(images)):
        return ""
    doubled = [index for index, times in Counter(order).items() if times > 1]
    return f"job {job_id}: {len(order)} commits for {images} images, doubled {doubled}"


def drained(up: Running, history: History) -> bool:
    """Whether every accepted job is final."""
    try:
        with httpx.Client(base_url=up.url, timeout=10) as client:
            states = (client.get(f"/v1/jobs/{job_id}") for job_id in history.accepted)
            return all(reply.status_code == 200 and reply.json()["state"] in FINAL for reply in states)
    except httpx.HTTPError:
        return False


def run(seconds: float, seed: int, folder: Path, senders: int = 3) -> tuple[History, list[str]]:
    """Run the system for ``seconds`` under load and blows; what happened, and what is wrong with it."""
    history = History()
    over = threading.Event()
    flags = ("--no-sample", "--workers", "2", "--model", "synthetic:base_ms=4,item_ms=2")
    with running(folder, *flags, env=SETTINGS) as up:
        clients = [Sender(up.url, history, seed * 1000 + number, over) for number in range(senders)]
        for client in clients:
            client.start()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(strike, up, history, seed, time.monotonic() + seconds).result()
        over.set()
        for client in clients:
            client.join(60)
        if not eventually(lambda: drained(up, history), within_s=150):
            return history, ["the system did not drain", *check(up, history)]
        return history, check(up, history)


def main() -> int:
    """Run and print what happened; exit status 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description="Kill and freeze a loaded system, then check its history.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tfchaos") as folder:
        history, wrong = run(flags.seconds, flags.seed, Path(folder))
        log = Path(folder, "up.log").read_text()
    print(f"seed {flags.seed}: {len(history.accepted)} jobs, {sum(history.accepted.values())} images accepted")
    print("blows:", dict(sorted(history.blows.items())))
    print("answers:", dict(sorted(history.answers.items())))
    print("\n".join(wrong) if wrong else "nothing lost, nothing doubled, nothing stuck")
    if wrong:
        print(log[-4000:], file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
