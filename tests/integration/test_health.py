"""What a container's health check says, against a real Redis and a real port."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import redis as redis_py

from tenfold import health
from tenfold.contract.codec import encode
from tenfold.contract.records import POOL, ServedModel, WorkerInfo
from tenfold.settings import Settings
from tenfold.store.keys import RQ_WORKER_PREFIX, Keys

KEYS = Keys()


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url)


class TestGateway:
    """The gateway's own port."""

    @pytest.fixture(params=[200, 500])
    def answering(self, request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
        """(port, status) of a server that gives every request the same status."""
        status: int = request.param

        class Always(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Always) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield server.server_port, status
            server.shutdown()
            thread.join()

    def test_is_well_where_it_answers_200(self, answering: tuple[int, int]) -> None:
        """Only a 200 is good news; anything else is named."""
        port, status = answering
        wrong = health.gateway(Settings(port=port))
        assert (wrong == "") == (status == 200)
        assert status == 200 or str(status) in wrong

    def test_is_unwell_where_nobody_listens(self) -> None:
        """A port that refuses is said with its number."""
        assert "port 9 " in health.gateway(Settings(port=9))


class TestScheduler:
    """The lease on leading."""

    def test_is_well_while_any_scheduler_leads(self, settings: Settings, redis: redis_py.Redis) -> None:
        """One that stands by is as well as the one that leads."""
        assert "no scheduler leads" in health.scheduler(settings)
        redis.set(KEYS.leader, "7", ex=3)
        assert health.scheduler(settings) == ""


class TestWorker:
    """The beat of this host's workers."""

    def join(self, redis: redis_py.Redis, host: str, beat_age_s: float) -> None:
        name = f"worker.{host}"
        info = WorkerInfo(name, POOL, ["demo@320"], [0, 1, 2], [ServedModel("demo", "1")], "cpu", host, 1, 0.0)
        redis.hset(KEYS.workers, name, encode(info))
        redis.zadd(KEYS.beats, {name: (time.time() - beat_age_s) * 1000})

    def test_is_well_while_one_of_this_host_beats(self, settings: Settings, redis: redis_py.Redis) -> None:
        """A beat within the lease counts, an older one does not."""
        self.join(redis, "here", beat_age_s=settings.lease_s + 2)
        assert "here" in health.worker(settings, "here")
        self.join(redis, "here", beat_age_s=1)
        assert health.worker(settings, "here") == ""

    def test_is_unwell_where_only_others_beat(self, settings: Settings, redis: redis_py.Redis) -> None:
        """Another host's worker says nothing about this one."""
        self.join(redis, "there", beat_age_s=0)
        assert "here" in health.worker(settings, "here")


class TestValuesWorker:
    """The beat of this host's values workers, whose host RQ knows."""

    @pytest.mark.parametrize(
        ("host", "beat_age_s", "well"), [("here", 1, True), ("here", 60, False), ("there", 0, False)]
    )
    def test_is_well_while_one_of_this_host_beats(
        self, settings: Settings, redis: redis_py.Redis, host: str, beat_age_s: float, well: bool
    ) -> None:
        """A beat within the lease of a worker that runs here counts, and no other."""
        redis.hset(f"{RQ_WORKER_PREFIX}values-worker.1", "hostname", host)
        redis.zadd(KEYS.values_beats, {"values-worker.1": (time.time() - beat_age_s) * 1000})
        assert (health.values_worker(settings, "here") == "") == well


def test_exit_status_is_what_a_health_check_reads(
    redis_url: str, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for well, 1 for unwell or unreachable, 2 for a wrong question; each but 0 says why."""
    monkeypatch.setenv("TENFOLD_REDIS_URL", redis_url)
    assert health.main(["scheduler"]) == 1
    redis.set(KEYS.leader, "7", ex=3)
    assert health.main(["scheduler"]) == 0
    assert health.main(["somebody"]) == 2
    monkeypatch.setenv("TENFOLD_REDIS_URL", "redis://127.0.0.1:9/0")
    assert health.main(["scheduler"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert ["no scheduler leads" in said[0], "worker" in said[1], "127.0.0.1:9" in said[2]] == [True] * 3
