"""A stop in the middle of everything: in order, within the grace, and the next start goes on."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.system.load import PICTURE, Api
from tests.system.running import eventually, running

SLOW = ("--no-sample", "--workers", "2", "--model", "synthetic:base_ms=50,item_ms=20")
GRACE_S = 25


@pytest.mark.system
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_lost_and_the_next_start_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    """Jobs that run and wait, a run of values and a client that waits survive a stop, and end once after the start."""
    with running(tmp_path, *SLOW) as up, ThreadPoolExecutor(1) as pool:
        api = Api(up.url)
        children = list(up.children().values())
        sizes = {api.submit(size): size for size in (120, 60, 25, 10, 1)}
        run_id = httpx.post(f"{up.url}/v1/values/generate", json={"count": 40, "within_s": 8}).json()["id"]
        waiting = pool.submit(api.detect, *[PICTURE] * 40, priority="low")
        assert eventually(lambda: len(httpx.get(f"{up.url}/v1/jobs").json()["jobs"]) == len(sizes) + 1)
        began_s = time.monotonic()
        up.process.send_signal(number)
        assert up.process.wait(GRACE_S + 15) == 0
        assert time.monotonic() - began_s < GRACE_S
        assert waiting.result().status_code == 202
        sizes[waiting.result().json()["id"]] = 40
        assert not [it for it in children if it.is_running() and it.status() != psutil.STATUS_ZOMBIE]
        assert "is killed" not in up.log.read_text()
    with running(tmp_path, *SLOW) as up:
        api = Api(up.url)
        for job_id, size in sizes.items():
            assert api.until_final(job_id)["state"] == "succeeded"
            assert [result["index"] for result in api.results(job_id)] == list(range(size))
        assert eventually(lambda: httpx.get(f"{up.url}/v1/values/runs/{run_id}").json()["state"] == "succeeded")
        run = httpx.get(f"{up.url}/v1/values/runs/{run_id}").json()
        assert (run["stored"], run["failed"]) == (40, 0)
        assert httpx.get(f"{up.url}/v1/values/total").json()["count"] == 40
