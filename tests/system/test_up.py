"""`tenfold up`, started as a person starts it, with real processes throughout."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tenfold.client import Options, Tenfold, Upload
from tenfold.redis_server import RedisServer
from tenfold.sample_run import sample_pictures
from tests.system.running import READY, SYNTHETIC, Running, command, environment, eventually, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
QUIET = ("--no-sample", "--model", SYNTHETIC)


def picture(folder: Path) -> Upload:
    path = folder / "white.png"
    Image.new("RGB", (64, 48), "white").save(path)
    return Upload.of(path)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_sample_run_finds_objects_and_the_ready_line_is_last(tmp_path: Path) -> None:
    """The first run shows what it found in every sample picture, leaves annotated copies, and then says it is ready."""
    with running(tmp_path, "--device", "cpu") as system:
        names = [path.name for path in sample_pictures()]
        assert len(names) >= 6
        told = "\n".join(system.printed)
        assert all(name in told for name in names), system.log.read_text()[-3000:]
        assert system.printed[-1] == READY + system.url
        drawn = sorted((system.data_dir / "samples").glob("*.png"))
        assert len(drawn) == len(names)
        with Tenfold(system.url) as client:
            results = client.detect([Upload.of(path) for path in sample_pictures()]).results
        assert results is not None
        assert all(result.detections for result in results)


@pytest.fixture(scope="class")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("up"), *QUIET, "--workers", "2", env={"TENFOLD_LEASE_S": "2"}) as up:
        yield up


class TestOneSystem:
    """What can be seen of one running system, which comes through all of it."""

    def test_each_service_is_a_process_that_names_itself(self, system: Running) -> None:
        """Every service stands in the process list by name, and only the workers hold torch."""
        children = system.children()
        assert {"gateway", "scheduler", "worker-1", "worker-2", "redis"} <= set(children)
        if sys.platform == "linux":
            holds_torch = {name for name, child in children.items() if "libtorch" in maps_of(child.pid)}
            assert holds_torch == {"worker-1", "worker-2"}

    @pytest.mark.parametrize("name", ["gateway", "scheduler", "worker-1", "redis"])
    def test_killed_process_comes_back(self, system: Running, tmp_path: Path, name: str) -> None:
        """After SIGKILL to any one process the system is ready again by itself and answers."""
        with Tenfold(system.url) as client:
            assert client.detect([picture(tmp_path)]).results
            before = system.children()[name]
            before.kill()
            assert eventually(lambda: system.children().get(name, before).pid != before.pid)
            assert eventually(client.is_ready)
            assert client.detect([picture(tmp_path)]).results, system.log.read_text()[-4000:]

    def test_second_system_works_beside_it(self, system: Running, tmp_path: Path) -> None:
        """Two systems with a port and a folder each work side by side on one machine."""
        with running(tmp_path, *QUIET) as other:
            assert other.url != system.url
            for url in (system.url, other.url):
                with Tenfold(url) as client:
                    assert client.detect([picture(tmp_path)]).results

    def test_taken_port_and_folder_are_named(self, system: Running, tmp_path: Path) -> None:
        """A port or data folder in use is a sentence that names it and the flag that helps."""
        assert "--port" in refused(tmp_path, "--port", system.url.rpartition(":")[2])
        said = refused(system.data_dir, "--port", "0")
        assert "--data-dir" in said
        assert str(system.data_dir) in said


def maps_of(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def refused(data_dir: Path, *flags: str, status: int = 1) -> str:
    """What a `tenfold up` that must not start says."""
    ended = subprocess.run(
        command("up", "--data-dir", str(data_dir), "--no-sample", *flags),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == status, ended.stderr[-4000:]
    assert "Traceback" not in ended.stderr.rpartition("tenfold:")[2]
    return ended.stderr


def test_work_accepted_before_a_stop_is_done_after_the_next_start(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a job ends everything in order, and the next start finishes the job, each image once."""
    slow = ("--no-sample", "--model", "synthetic:base_ms=50,item_ms=20")
    upload = picture(tmp_path)
    with running(tmp_path / "data", *slow) as system, Tenfold(system.url) as client:
        children = list(system.children().values())
        job = client.submit([upload] * 100, Options())
        assert system.stop() == 0
        assert gone(children)
        assert "is killed" not in system.log.read_text()
    with running(tmp_path / "data", *slow) as system, Tenfold(system.url) as client:
        *_, last = client.watch(job.id, timeout_s=60)
        assert (last.state, last.images.done) == ("succeeded", 100)
        assert [result.index for result in client.results(job.id)] == list(range(100))


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is Linux's")
def test_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """SIGKILL to `tenfold up` itself takes every process with it, and the folder can be used again at once."""
    with running(tmp_path, *QUIET) as system:
        children = list(system.children().values())
        assert len(children) >= 4
        os.kill(system.process.pid, signal.SIGKILL)
        assert eventually(lambda: gone(children), within_s=60)
    with RedisServer(tmp_path):
        pass


def test_redis_url_is_used_instead_of_an_own_one(tmp_path: Path, redis_url: str) -> None:
    """With --redis-url no Redis is started and the given one holds the work."""
    with running(tmp_path, *QUIET, "--redis-url", redis_url) as system, Tenfold(system.url) as client:
        assert "redis" not in system.children()
        assert client.detect([picture(tmp_path)]).results


def test_address_that_others_reach_needs_keys_or_a_word(tmp_path: Path) -> None:
    """`--host 0.0.0.0` without keys and without --open is refused before anything starts."""
    assert "--open" in refused(tmp_path, "--host", "0.0.0.0", status=2)


def test_redis_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """A --redis-url that nobody answers ends the start with the place that was tried, and hides the password."""
    said = refused(tmp_path, "--port", "0", "--redis-url", "redis://me:secret@127.0.0.1:9/0")
    assert "127.0.0.1:9" in said
    assert "secret" not in said


def test_service_that_cannot_start_ends_the_start(tmp_path: Path) -> None:
    """An unknown model ends `tenfold up` with the worker's own words, and leaves nothing running."""
    assert "no-such-model" in refused(tmp_path, "--port", "0", "--model", "no-such-model")
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert not left
