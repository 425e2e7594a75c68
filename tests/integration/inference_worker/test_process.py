"""Workers as the processes that they are: signals, sudden death, hanging, and a Redis that goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inference_worker.__main__ import main
from inference_worker.choice import Choice
from inference_worker.service import run
from inference_worker.stopping import StopFlag
from tenfold.contract.codec import decode, encode
from tenfold.contract.errors import SettingsError
from tenfold.contract.events import BatchEnded, BatchLost, EndReason
from tenfold.contract.records import ModelInfo, ReloadOutcome, ReloadRequest, ReloadState
from tenfold.leash import leashed
from tenfold.redis_server import RedisServer
from tenfold.settings import Settings
from tests.integration.inference_worker.dispatching import FREE, Desk, picture
from tests.integration.waiting import wait_for
from tests.unit.models.tiny import write_tiny

SLOW = "synthetic:base_ms=0,item_ms=100"
"""Ten images take a second at level 0, and run one by one at the others."""


TELLS_ITS_END = """
import atexit, runpy, sys
atexit.register(print, "taken down", file=sys.stderr)
runpy.run_module("inference_worker", run_name="__main__")
"""
"""A worker in an interpreter that says so when it is taken down in order."""


@dataclass
class Process:
    """A worker's process and what it printed."""

    popen: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text()

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def ended(self, within_s: float = 120) -> int:
        return self.popen.wait(within_s)


Start = Callable[..., Process]


@pytest.fixture
def desk(redis_url: str) -> Iterator[Desk]:
    """Jobs and batches for a slow synthetic model."""
    desk = Desk(redis_url, model=SLOW)
    yield desk
    desk.close()


@pytest.fixture
def start(desk: Desk, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes; with ``wait`` unset it returns before they are ready."""
    started: list[Process] = []

    def begin(
        *flags: str,
        wait: bool = True,
        url: str = desk.url,
        program: Sequence[str] = ("-m", "inference_worker"),
        **settings: str,
    ) -> Process:
        log = tmp_path / f"worker-{len(started)}.log"
        variables = {f"TENFOLD_{name.upper()}": value for name, value in settings.items()}
        env = {**os.environ, "TENFOLD_REDIS_URL": url, "TENFOLD_MODEL": desk.model, "TENFOLD_LEASE_S": "5", **variables}
        command = leashed([sys.executable, *program, "--name", "w", "--threads", "1", *flags])
        with log.open("wb") as out:
            process = Process(subprocess.Popen(command, env=env, stderr=out), log)
        started.append(process)
        if wait:
            wait_for(lambda: "is ready" in process.text() or process.popen.poll() is not None)
        return process

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


def test_a_stopped_worker_does_not_take_its_interpreter_down(start: Start) -> None:
    """That costs a second of computing or more, which several workers that stop together do not have."""
    worker = start(program=("-c", TELLS_ITS_END))
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0
    assert "stopped" in worker.text()
    assert "taken down" not in worker.text()


def test_killed_in_the_middle(desk: Desk, start: Start) -> None:
    """After `kill -9` the lease stays, the reaper gives the images back, and another worker ends the job, each once."""
    first = start()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    wait_for(lambda: desk.client.hlen(desk.keys.claims))
    first.signal(signal.SIGKILL)
    first.ended()
    assert desk.client.zcard(desk.keys.leases) == 1
    later = replace(desk.scheduler, injected_now_ms=int(desk.now_ms()) + 6_000)
    assert later.reap(desk.token)
    (lost,) = [event for event in desk.events() if isinstance(event, BatchLost)]
    assert lost.left == list(range(10))
    second = start()
    desk.dispatch(*[("a", position) for position in lost.left])
    wait_for(lambda: desk.state("a") == "succeeded")
    assert sorted(desk.results("a")) == list(range(10))
    assert desk.client.llen(desk.keys.order("a")) == 10
    second.signal(signal.SIGTERM)
    assert second.ended() == 0


def test_told_to_stop(desk: Desk, start: Start) -> None:
    """SIGTERM in the middle of a batch: what is done is committed, the rest goes back, and the worker says goodbye."""
    process = start()
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a", level=2)
    wait_for(lambda: desk.client.hget(desk.keys.computing, "000001-0000000001") == b"2-3")
    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    (event,) = [event for event in desk.events() if isinstance(event, BatchEnded)]
    assert event.reason is EndReason.STOPPED
    # The mark is set before the worker looks whether it was told to stop, so the third image may not have run.
    assert 2 <= len(desk.results("a")) <= 5
    assert sorted([*desk.results("a"), *event.left]) == list(range(10))
    assert desk.client.zcard(desk.keys.leases) == 0
    assert desk.client.smembers("rq:workers") == set()
    assert desk.client.hgetall(desk.keys.workers) == {}


def test_told_twice(desk: Desk, start: Start) -> None:
    """A second SIGTERM, more than a second after the first, ends the worker at once."""
    process = start(model="synthetic:base_ms=4000,item_ms=0")
    desk.model = "synthetic:base_ms=4000,item_ms=0"
    desk.submit("a", [picture()])
    desk.dispatch_job("a")
    wait_for(lambda: desk.client.hlen(desk.keys.claims))
    # Told before it computes, it would hand the batch back and end.
    time.sleep(0.5)
    process.signal(signal.SIGTERM)
    time.sleep(1.1)
    assert process.popen.poll() is None
    process.signal(signal.SIGTERM)
    assert process.ended(1) == 128 + signal.SIGTERM


def test_told_to_stop_while_it_waits_for_redis(start: Start, tmp_path: Path) -> None:
    """A worker that finds no Redis at its start waits for one, and stops at once when told to."""
    process = start(url=f"unix://{tmp_path}/nobody.sock", wait=False)
    wait_for(lambda: "does not answer" in process.text())
    process.signal(signal.SIGTERM)
    assert process.ended(10) == 0


def test_hung(desk: Desk, start: Start) -> None:
    """A batch that computes longer than the batch timeout ends its process, which says why; the lease is left."""
    process = start(batch_timeout_s="0.4")
    desk.submit("a", [picture()] * 10)
    desk.dispatch_job("a")
    assert process.ended() == 70
    assert "TENFOLD_BATCH_TIMEOUT_S" in process.text()
    assert desk.client.zcard(desk.keys.leases) == 1
    assert desk.results("a") == {}


def test_keeps_its_lease(desk: Desk, start: Start) -> None:
    """A batch that computes longer than the lease keeps it by the worker's beat, and is committed."""
    start("--levels", "0", lease_s="1", model="synthetic:base_ms=2500,item_ms=0")
    desk.model = "synthetic:base_ms=2500,item_ms=0"
    desk.submit("a", [picture()])
    desk.dispatch_job("a")
    wait_for(lambda: desk.client.hlen(desk.keys.claims))
    while desk.state("a") == "running":
        assert desk.reap() == []
        time.sleep(0.05)
    assert desk.state("a") == "succeeded"


def test_redis_goes_away_and_comes_back(desk: Desk, start: Start, tmp_path: Path) -> None:
    """While Redis is down the worker waits; back again, it commits what it computed and takes the next batch."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    away = Desk(server.url, model=SLOW)
    process = start(url=server.url)
    away.submit("a", [picture()] * 10)
    away.submit("b", [picture()])
    away.dispatch_job("a")
    wait_for(lambda: away.client.hlen(away.keys.claims))
    server.stop()
    wait_for(lambda: "does not answer" in process.text())
    server.start()
    wait_for(lambda: away.state("a") == "succeeded")
    away.dispatch_job("b")
    wait_for(lambda: away.state("b") == "succeeded")
    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    away.close()
    server.stop()


def test_unknown_device(redis_url: str) -> None:
    """A device that the machine does not have is refused by name."""
    settings = Settings.load({"redis_url": redis_url, "device": "cuda:7", "model": SLOW}, environ={})
    with pytest.raises(SettingsError, match="TENFOLD_DEVICE is cuda:7"):
        run(settings, Choice(), StopFlag())


def test_unknown_model(redis_url: str) -> None:
    """A model that there is not is refused with the names of those there are."""
    settings = Settings.load({"redis_url": redis_url, "device": "cpu", "model": "nonsense"}, environ={})
    with pytest.raises(ValueError, match="no model is named 'nonsense'"):
        run(settings, Choice(), StopFlag())


def test_models_of_one_name(redis_url: str, tmp_path: Path) -> None:
    """Two files of one name are refused together, with both named, before anything is served."""
    paths = [tmp_path / folder / "best.safetensors" for folder in ("one", "two")]
    for seed, path in enumerate(paths):
        path.parent.mkdir()
        write_tiny(path, seed)
    flags = {"redis_url": redis_url, "device": "cpu", "model": [str(path) for path in paths]}
    settings = Settings.load(flags, environ={})
    with pytest.raises(ValueError, match=r"one/best.safetensors' and '.*two/best.safetensors' are both named 'best'"):
        run(settings, Choice(), StopFlag())


def test_a_worker_of_two_models_and_a_new_version(desk: Desk, start: Start, tmp_path: Path) -> None:
    """A real process serves both models; a reload reaches it within seconds, and a broken file leaves it as it is."""
    path = write_tiny(tmp_path / "best.safetensors", 1)
    process = start("--model", FREE, "--model", str(path), lease_s="2")
    pets = Desk(desk.url, model="best", size=64)
    pets.client.set(pets.keys.leader, pets.token, ex=600)
    old = decode(pets.client.hget(pets.keys.models, "best"), ModelInfo).version

    def version_of(job: str) -> str | None:
        pets.submit(job, [picture()])
        pets.sequence += 1000
        pets.dispatch_job(job)
        wait_for(lambda: pets.state(job) == "succeeded")
        (result,) = pets.results(job).values()
        assert result.batch is not None
        return result.batch.version

    def reload(name: str) -> ReloadOutcome:
        request = ReloadRequest(name, "best", old, 0.0, [])
        pets.client.hset(pets.keys.reloads, "best", encode(request))
        wait_for(lambda: _outcome(pets, name) not in {None, ReloadState.LOADING})
        (raw,) = pets.client.hgetall(pets.keys.reload(name)).values()
        return decode(raw, ReloadOutcome)

    assert version_of("a") == old
    write_tiny(path, 2)
    done = reload("r1")
    assert (done.state, done.version != old) == (ReloadState.SERVED, True)
    assert version_of("b") == done.version
    path.write_bytes(b"no weights")
    assert reload("r2").state is ReloadState.FAILED
    assert version_of("c") == done.version
    desk.model = FREE
    desk.submit("d", [picture()])
    desk.dispatch_job("d")
    wait_for(lambda: desk.state("d") == "succeeded")
    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    pets.close()


def _outcome(desk: Desk, reload_id: str) -> ReloadState | None:
    told = [decode(raw, ReloadOutcome).state for raw in desk.client.hgetall(desk.keys.reload(reload_id)).values()]
    return told[0] if told else None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--levels", "3"], "--levels names 3; allowed are 0 to 2"),
        (["--device", "gpu"], "TENFOLD_DEVICE is 'gpu'"),
        (["--threads", "0"], "at least 1"),
        (["--levels", "a"], "--levels"),
    ],
)
def test_wrong_flags(flags: list[str], said: str, capsys: pytest.CaptureFixture[str], redis_url: str) -> None:
    """A wrong flag ends the process with status 2, before torch is loaded, and a line that names it."""
    with pytest.raises(SystemExit) as end:
        main([*flags, "--redis-url", redis_url])
    assert end.value.code == 2
    assert said in capsys.readouterr().err
