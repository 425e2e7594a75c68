"""What the product promises, on the whole system: sharing, splitting, fairness and survival, seen over HTTP."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.system.load import FINAL, PICTURE, Api, batches
from tests.system.running import Running, eventually, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
SLOW_MODEL = ("--no-sample", "--model", "synthetic:base_ms=5,item_ms=20")
TWO_CLIENTS = {"TENFOLD_API_KEYS": "a:first-secret-key,b:second-secret-key"}


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system that always waits for its tick."""
    env = {"TENFOLD_DISPATCH": "tick", "TENFOLD_TICK_MS": "500", "TENFOLD_IDLE_TICK_MS": "200"}
    with running(
        tmp_path_factory.mktemp("tick"), "--no-sample", "--model", "synthetic:base_ms=5,item_ms=2", env=env
    ) as up:
        yield up


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system with two clients and a worker slow enough to be busy."""
    with running(tmp_path_factory.mktemp("shared"), *SLOW_MODEL, env=TWO_CLIENTS) as up:
        yield up


def first_and_second(up: Running) -> tuple[Api, Api]:
    return Api(up.url, "first-secret-key"), Api(up.url, "second-secret-key")


def test_ten_requests_that_arrive_together_share_one_batch(ticking: Running) -> None:
    """Ten single-image requests sent at once run as one batch of ten."""
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: Api(ticking.url).detect(PICTURE), range(10)))
    assert [reply.status_code for reply in replies] == [200] * 10
    shared_batches = {reply.json()["results"][0]["batch"]["id"] for reply in replies}
    assert len(shared_batches) == 1
    assert {reply.json()["results"][0]["batch"]["size"] for reply in replies} == {10}


def test_a_large_job_alone_is_split_into_tens(ticking: Running) -> None:
    """A 25-image job makes batches of 10, 10 and 5, in order."""
    api = Api(ticking.url)
    job_id = api.submit(25)
    assert api.until_final(job_id)["state"] == "succeeded"
    parts = batches(api.results(job_id))
    assert sorted(map(len, parts), reverse=True) == [10, 10, 5]
    assert sorted(index for part in parts for index in part) == list(range(25))


def test_one_request_alone_waits_no_longer_than_the_tick(ticking: Running) -> None:
    """A lone image is queued for at most the tick (and what the machine itself takes)."""
    reply = Api(ticking.url).detect(PICTURE)
    queued_ms = reply.json()["results"][0]["timing"]["queued_ms"]
    assert 150 <= queued_ms <= 500 + 250


def test_a_single_photo_overtakes_a_running_bulk_job(shared: Running) -> None:
    """While a 200-image job runs, a single photo's batch is the next to start."""
    bulk, single = first_and_second(shared)
    job_id = bulk.submit(200)
    bulk.until_done(job_id, 20)
    before = bulk.job(job_id)["images"]["done"]
    reply = single.detect(PICTURE)
    after = bulk.job(job_id)["images"]["done"]
    assert reply.status_code == 200
    # At most the batch that computes and the one that a worker had already claimed end before it.
    assert after - before <= 30
    httpx.delete(f"{shared.url}/v1/jobs/{job_id}", headers=bulk.headers)


def test_two_large_jobs_of_two_clients_advance_together(shared: Running) -> None:
    """Two 100-image jobs submitted together are never more than 30 images apart."""
    first, second = first_and_second(shared)
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda api: api.submit(100), (first, second))
    apart = []
    while True:
        x, y = first.job(a), second.job(b)
        if x["state"] in FINAL or y["state"] in FINAL:
            break
        apart.append(abs(x["images"]["done"] - y["images"]["done"]))
    assert max(apart) <= 30, apart
    assert first.until_final(a)["state"] == second.until_final(b)["state"] == "succeeded"


def test_a_low_job_under_a_stream_of_urgent_ones_rises_and_ends(shared: Running) -> None:
    """A `low` job rises out of the last level while level 0 never runs dry, its waiting batches with it, and ends."""
    patient, busy = first_and_second(shared)
    backlog = [busy.submit(10) for _ in range(30)]
    low = patient.submit(15, priority="low")
    give_up_s = time.monotonic() + 60
    while patient.job(low)["state"] not in FINAL and time.monotonic() < give_up_s:
        waiting = httpx.get(f"{shared.url}/v1/queues", headers=busy.headers).json()["queued"]["items"]
        if waiting < 250:
            backlog += [busy.submit(10) for _ in range(5)]
    assert patient.job(low)["state"] == "succeeded"
    trace = httpx.get(f"{shared.url}/v1/jobs/{low}/trace", headers=patient.headers).json()["trace"]
    assert "aged" in {line["kind"] for line in trace}
    for job_id in backlog:
        httpx.delete(f"{shared.url}/v1/jobs/{job_id}", headers=busy.headers)


def test_rqs_own_tool_shows_queues_and_workers(shared: Running) -> None:
    """`rq info` names the lane's three queues and the worker."""
    api, _ = first_and_second(shared)
    job_id = api.submit(60)
    api.until_done(job_id, 1)
    told = subprocess.run(
        [str(Path(sys.executable).with_name("rq")), "info", "--raw", "--url", shared.redis_url()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lanes = {line.split()[1] for line in told.splitlines() if line.startswith("queue tenfold:")}
    assert {name.rsplit(":", 1)[1] for name in lanes} >= {"0", "2"}
    assert "worker worker-1" in told
    api.until_final(job_id)


@pytest.mark.parametrize("victim", ["scheduler", "worker-1"])
def test_a_kill_in_the_middle_of_a_job_loses_and_doubles_nothing(tmp_path: Path, victim: str) -> None:
    """After kill -9 of the scheduler or the worker a 200-image job ends by itself with 200 results, each once."""
    with running(
        tmp_path, "--no-sample", "--model", "synthetic:base_ms=5,item_ms=5", env={"TENFOLD_LEASE_S": "2"}
    ) as up:
        api = Api(up.url)
        job_id = api.submit(200)
        api.until_done(job_id, 40)
        up.children()[victim].kill()
        job = api.until_final(job_id, within_s=150)
        assert job["state"] == "succeeded"
        assert job["images"] == {"total": 200, "done": 200, "failed": 0}
        assert [result["index"] for result in api.results(job_id)] == list(range(200))
        assert eventually(lambda: httpx.get(f"{up.url}/readyz").status_code == 200)
