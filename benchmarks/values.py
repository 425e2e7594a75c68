"""What values cost: a sample and a count by index, by KEYS and by SCAN, and how many values a second can be generated.

``python benchmarks/values.py`` starts a private Redis and prints two tables; ``--json`` prints the figures instead. The
first compares ways to look at N values while RQ's and other keys, as many again, lie beside them. The second is one
scheduler and one values worker on values that are all due at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from tenfold.redis_server import RedisServer
from tenfold.store.connection import BytesRedis, connect, connect_async
from tenfold.store.keys import Keys
from tenfold.store.values_store import ValuesStore

SIZES = (1_000, 10_000, 100_000)
REPEATS = 200
SLOW_REPEATS = 5
ASKED = 10
WAIT_S = 300.0
KEYS = Keys()
PATTERN = KEYS.value_prefix + "*"


def fill(client: BytesRedis, count: int) -> None:
    """``count`` values with their index, and as many keys of somebody else."""
    client.flushall()
    for start in range(0, count, 5_000):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + 5_000, count)):
            key = str(uuid4())
            pipe.set(KEYS.value_prefix + key, "2026-11-23T07:07:54.310919Z")
            pipe.zadd(KEYS.values, {key: 0})
            pipe.set(f"rq:job:{number}", "x")
        pipe.execute()


def by_index(client: BytesRedis) -> None:
    """Ten values at random, as ``GET /v1/values`` reads them."""
    keys = client.zrandmember(KEYS.values, ASKED)
    client.mget([KEYS.value_prefix + key.decode() for key in keys])


def by_keys(client: BytesRedis) -> None:
    """The same by KEYS: every key of the database, in one command."""
    client.mget(random.sample(client.keys(PATTERN), ASKED))


def by_scan(client: BytesRedis) -> None:
    """The same by SCAN: every key of the database, in slices."""
    client.mget(random.sample(list(client.scan_iter(PATTERN, count=1000)), ASKED))


WAYS: dict[str, tuple[Callable[[BytesRedis], None], int]] = {
    "index": (by_index, REPEATS),
    "SCAN": (by_scan, SLOW_REPEATS),
    "KEYS": (by_keys, SLOW_REPEATS),
}


def measure(url: str, way: Callable[[BytesRedis], None], repeats: int) -> dict[str, float]:
    """Milliseconds of one sample (median), and of the longest command that Redis ran for it."""
    client = connect(url)
    way(client)
    client.slowlog_reset()
    took_ms = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        way(client)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    # Redis measures its own commands: during the longest, nobody else was served.
    longest_us = max(entry["duration"] for entry in client.slowlog_get(128))
    client.close()
    return {"sample_ms": statistics.median(took_ms), "blocked_ms": longest_us / 1000}


def looks(url: str) -> list[dict[str, Any]]:
    """One row for each size and way."""
    rows = []
    with connect(url) as client:
        client.config_set("slowlog-log-slower-than", 0)
        for size in SIZES:
            fill(client, size)
            for name, (way, repeats) in WAYS.items():
                rows.append({"values": size, "by": name, **measure(url, way, repeats)})
        client.flushall()
    return rows


async def _generate(url: str, count: int) -> None:
    async with connect_async(url) as client:
        store = ValuesStore(client, KEYS, 2**30, 10**6, 60)
        await store.generate("bench", "bench", 60_000, [0.0] * count)


def rate(url: str, count: int = 10_000) -> dict[str, float]:
    """Values a second, from due to stored, by one scheduler and one values worker. Raises TimeoutError."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("TENFOLD_")}
    env = {**others, "TENFOLD_REDIS_URL": url, "TENFOLD_LOG_LEVEL": "error"}
    processes = [
        subprocess.Popen([sys.executable, "-m", "tenfold", name], env=env) for name in ("scheduler", "values-worker")
    ]
    try:
        with connect(url) as client:
            _until(lambda: client.exists(KEYS.leader) and client.exists(KEYS.values_workers), "the services are up")
            asyncio.run(_generate(url, count))
            _until(lambda: client.hget(KEYS.run("bench"), "finished_ms"), "all values are stored")
            began, ended = map(float, client.hmget(KEYS.run("bench"), "started_ms", "finished_ms"))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    return {"values": count, "values_per_s": count / (ended - began) * 1000}


def _until(condition: Callable[[], object], what: str) -> None:
    """Wait for ``condition``. Raises TimeoutError where it does not come about within :data:`WAIT_S`."""
    give_up_at = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"it did not come about within {WAIT_S:g} s that {what}")
        time.sleep(0.01)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
        rows, generation = looks(server.url), rate(server.url)
    if flags.json:
        print(json.dumps({"looks": rows, "generation": generation}, indent=2))
        return
    print(f"{'values':>8}  {'by':<6} {'ten at random, ms':>18} {'longest command, ms':>20}")
    for row in rows:
        print(f"{row['values']:>8}  {row['by']:<6} {row['sample_ms']:>18.2f} {row['blocked_ms']:>20.2f}")
    print(f"\n{generation['values_per_s']:.0f} values a second from due to stored, one scheduler, one worker")


if __name__ == "__main__":
    main()
