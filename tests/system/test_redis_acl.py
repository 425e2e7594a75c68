"""Compose's Redis lets the services do their work and nothing else: its own rules, on a private server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from tenfold.redis_server import RedisServer, find_server
from tests.system.load import PICTURE, Api
from tests.system.running import SYNTHETIC, eventually, running

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
PASSWORD = "between-us"
RQ = Path(sys.executable).with_name("rq")
DANGEROUS = (
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("CONFIG", "GET", "*"),
    ("DEBUG", "SLEEP", "0"),
    ("SHUTDOWN", "NOSAVE"),
    ("ACL", "WHOAMI"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("KEYS", "*"),
    ("MONITOR",),
    ("REPLICAOF", "NO", "ONE"),
    ("MODULE", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("MIGRATE", "127.0.0.1", "9", "k", "0", "1"),
)
FOREIGN_KEYS = (("GET", "other"), ("SET", "other", "1"), ("EVAL", "return redis.call('GET', 'other')", "0"))


def rules() -> list[str]:
    """What compose gives the user `tenfold`, with this test's password and the prefix that is the default."""
    text = COMPOSE.read_text(encoding="utf-8")
    (told,) = re.findall(r"- --user\n +- tenfold\n(.*?)\n    \w", text, re.DOTALL)
    listed = re.findall(r"^ +- \"?([^\"\n]+?)\"?$", told, re.MULTILINE)
    filled = [re.sub(r"\$\{TENFOLD_KEY_PREFIX:-(.*?)\}", r"\1", rule) for rule in listed]
    return [rule.replace("${REDIS_PASSWORD:-}", PASSWORD) for rule in filled]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with that user beside the default one, who is left for the test to look with."""
    with RedisServer(tmp_path_factory.mktemp("acl")) as server:
        with Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", "tenfold", "reset", *rules())
        yield server


def url_of(server: RedisServer) -> str:
    return server.url.replace("unix://", f"unix://tenfold:{PASSWORD}@")


def test_rules_are_a_list_of_what_is_allowed() -> None:
    """Everything is forbidden first, one category is given back (waiting), keys and channels are its own and RQ's."""
    told = rules()
    assert {rule for rule in told if rule[0] in "~&%"} == {"~tenfold:*", "~rq:*", "&tenfold:*"}
    granted = [rule for rule in told[told.index("-@all") + 1 :] if rule != "+@blocking"]
    assert all(re.fullmatch(r"\+[a-z|]+", rule) for rule in granted), granted
    assert "nopass" not in told


def test_the_default_user_is_off_and_may_still_read_the_file() -> None:
    """Redis 7 replays its file as that user, and drops the transactions of one without rights (redis/redis#14541)."""
    flags = compose_flags()
    at = flags.index("default")
    assert flags[at : at + 6] == ["default", "off", "resetpass", "~*", "&*", "+@all"]


def compose_flags() -> list[str]:
    """Redis' command line in compose, with this test's password and defaults elsewhere."""
    told = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["redis"]["command"]
    filled = [flag.replace("${REDIS_PASSWORD:-}", PASSWORD) for flag in told]
    return [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", flag) for flag in filled]


@contextmanager
def composed_redis(folder: Path) -> Iterator[str]:
    """A server started by compose's own command line, on a private socket; its socket's path."""
    socket = folder / "redis.sock"
    own = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([str(find_server().path), *own, *compose_flags()[1:]], stdout=log)
    try:
        assert eventually(lambda: _answers(socket), 30), (folder / "log").read_text()
        yield str(socket)
    finally:
        process.terminate()
        process.wait()


def as_a_service(socket: str) -> Redis:
    return Redis(unix_socket_path=socket, username="tenfold", password=PASSWORD)


def _answers(socket: Path) -> bool:
    try:
        with as_a_service(str(socket)) as client:
            return bool(client.ping())
    except RedisError:
        return False


def test_a_restart_of_redis_brings_everything_back(tmp_path: Path) -> None:
    """What scripts and transactions wrote is read from the file again: a server that drops it tells no client."""
    with composed_redis(tmp_path) as socket, as_a_service(socket) as one:
        one.eval("redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)", 2, "tenfold:a", "tenfold:b")
        one.pipeline().set("tenfold:c", 3).set("rq:d", 4).execute()
    with composed_redis(tmp_path) as socket, as_a_service(socket) as one:
        assert one.mget("tenfold:a", "tenfold:b", "tenfold:c", "rq:d") == [b"1", b"2", b"3", b"4"]


def test_nobody_gets_in_as_the_default_user(tmp_path: Path) -> None:
    """It may read Redis' own file, and no client can be it: neither by saying nothing nor with any password."""
    with composed_redis(tmp_path) as socket:
        with Redis(unix_socket_path=socket) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        for password in ("", PASSWORD, "default"):
            guess = Redis(unix_socket_path=socket, username="default", password=password)
            with guess, pytest.raises(AuthenticationError):
                guess.ping()


@pytest.mark.parametrize("command", [*DANGEROUS, *FOREIGN_KEYS], ids=" ".join)
def test_what_the_services_do_not_need_is_refused(server: RedisServer, command: tuple[str, ...]) -> None:
    """Who gets hold of a service's password can neither empty nor stop nor reconfigure the server, nor read others."""
    refusal = pytest.raises(ResponseError, match="(?i)permission|can't access|not allowed")
    with Redis.from_url(url_of(server)) as client, refusal:
        client.execute_command(*command)


def test_a_wrong_password_lets_nobody_in(server: RedisServer) -> None:
    """The user has its password."""
    with Redis.from_url(url_of(server).replace(PASSWORD, "guess")) as client, pytest.raises(AuthenticationError):
        client.ping()


@pytest.mark.system
@pytest.mark.timeout(400)
def test_the_whole_system_works_by_these_rules(server: RedisServer, tmp_path: Path) -> None:
    """Detection, jobs, open jobs, values, a cancel and a killed worker work, and the server refused nothing."""
    with Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "LOG", "RESET")
        flags = ("--no-sample", "--model", SYNTHETIC, "--redis-url", url_of(server))
        with running(tmp_path, *flags, env={"TENFOLD_LEASE_S": "2", "TENFOLD_DURABILITY": "strict"}) as up:
            api = Api(up.url)
            assert api.detect(PICTURE).status_code == 200
            bulk = api.submit(200)
            up.children()["worker-1"].kill()
            assert api.until_final(bulk)["images"]["done"] == 200
            assert len(api.results(bulk)) == 200
            dropped = api.submit(100)
            assert httpx.delete(f"{up.url}/v1/jobs/{dropped}").status_code == 200
            run = httpx.post(f"{up.url}/v1/values/generate", json={"count": 10, "within_s": 1}).json()
            assert eventually(lambda: httpx.get(f"{up.url}/v1/values/runs/{run['id']}").json()["stored"] == 10, 30)
            assert len(httpx.get(f"{up.url}/v1/values?count=5").json()["data"]) == 5
            assert httpx.delete(f"{up.url}/v1/values").json()["deleted"] == 10
            assert api.until_final(_sent_in_parts(up.url))["images"]["done"] == 3
            for path in ("/v1/jobs", "/v1/queues", "/v1/workers", "/v1/models", "/metrics", "/readyz"):
                assert httpx.get(up.url + path).status_code == 200, path
            told = subprocess.run(
                [RQ, "info", "--raw", "--url", url_of(server)], capture_output=True, text=True, check=True
            )
            assert "worker worker-1" in told.stdout
            assert api.detect(PICTURE).status_code == 200
        refused = {entry[b"object"] for entry in admin.execute_command("ACL", "LOG")}
    # Redis 7.0 does not know it, so no rule may name it; the client goes on without having named its version.
    assert refused <= {b"client|setinfo"}


def _sent_in_parts(url: str) -> str:
    job = httpx.post(f"{url}/v1/jobs?open=1", headers={"Idempotency-Key": "acl"}).json()
    files = [("files", (f"{n}.jpg", PICTURE)) for n in range(3)]
    assert httpx.post(f"{url}/v1/jobs/{job['id']}/images", files=files).is_success
    assert httpx.post(f"{url}/v1/jobs/{job['id']}/close").is_success
    return str(job["id"])
