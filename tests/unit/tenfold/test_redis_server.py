import subprocess
import sys
from pathlib import Path

import pytest
import redis as redis_py

from tenfold.redis_server import (
    REWRITE_BYTES_MIN,
    DataDirTaken,
    RedisServer,
    RedisServerError,
    ServerBinary,
    find_server,
)

OWNER = """
import sys, pathlib
from tenfold.redis_server import RedisServer
server = RedisServer(pathlib.Path(sys.argv[1]))
server.start()
print(server.process.pid, flush=True)
input()
"""


def client_of(server: RedisServer) -> redis_py.Redis:
    return redis_py.Redis.from_url(server.url)


def test_what_was_written_survives_a_restart(tmp_path: Path) -> None:
    """A value written before an orderly stop is there after the next start on the same folder."""
    with RedisServer(tmp_path) as server, client_of(server) as client:
        client.set("kept", "yes")
    with RedisServer(tmp_path) as server, client_of(server) as client:
        assert client.get("kept") == b"yes"


def test_server_evicts_nothing_and_opens_no_port(redis: redis_py.Redis) -> None:
    """The private server keeps everything, appends to its file, and listens on its socket alone."""
    assert redis.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert redis.config_get("appendonly")["appendonly"] == "yes"
    assert redis.config_get("port")["port"] == "0"


def test_the_file_is_rewritten_as_seldom_as_in_compose(redis: redis_py.Redis) -> None:
    """Both systems let the append-only file grow equally far before it is rewritten."""
    compose = (Path(__file__).parents[3] / "docker-compose.yml").read_text()
    assert f"- --auto-aof-rewrite-min-size\n      - {REWRITE_BYTES_MIN}\n" in compose
    assert redis.config_get("auto-aof-rewrite-min-size")["auto-aof-rewrite-min-size"] == str(512 * 2**20)


def test_long_data_folder_gets_a_short_socket(tmp_path: Path) -> None:
    """A data folder whose path no unix socket can have still works, and leaves no temporary folder behind."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with RedisServer(deep) as server, client_of(server) as client:
        assert client.ping()
        short = server.socket_path.parent
        assert short != deep
    assert not short.exists()


def test_second_server_on_one_folder_is_refused(tmp_path: Path) -> None:
    """A data folder in use is an error that names the folder and the flag that helps."""
    with RedisServer(tmp_path), pytest.raises(DataDirTaken, match="--data-dir") as refused:
        RedisServer(tmp_path).start()
    assert str(tmp_path) in str(refused.value)


def test_folder_is_free_again_after_a_stop(tmp_path: Path) -> None:
    """The lock goes with the server, and so does its process."""
    server = RedisServer(tmp_path)
    server.start()
    process = server.process
    assert process is not None
    server.stop()
    assert process.poll() is not None
    with RedisServer(tmp_path):
        pass


def test_found_server_is_recent_enough() -> None:
    """What is found says its version, and it is one that will do."""
    assert find_server().version >= (6, 2)


def test_server_that_cannot_run_gives_its_last_words(tmp_path: Path) -> None:
    """A server that ends at its start is an error with what it said."""
    fake = tmp_path / "bin" / "redis-server"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho no such luck\nexit 3\n")
    fake.chmod(0o755)
    server = RedisServer(tmp_path / "data", binary=ServerBinary(fake, fake.name, (7, 0)))
    with pytest.raises(RedisServerError, match="no such luck"):
        server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is Linux's")
def test_server_dies_with_a_killed_owner(tmp_path: Path) -> None:
    """SIGKILL to the process that started the server takes the server with it and frees the folder."""
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            OWNER,
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    server_pid = int(owner.stdout.readline())
    assert Path(f"/proc/{server_pid}").exists()
    owner.kill()
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    with RedisServer(tmp_path) as server, client_of(server) as client:
        assert client.ping()
    assert not _alive(server_pid)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
