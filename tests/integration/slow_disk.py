"""A real Redis on a disk whose fsync takes long: a small library slows down that one call of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tenfold.redis_server import RedisServer
from tests.integration.waiting import wait_for

FSYNC_S = 1.2
"""Of each fsync. Redis begins one a second, so that one runs nearly all the time while it is written to."""

_SOURCE = """
#include <time.h>
static int slow(void) { struct timespec t = {SECONDS, NANOSECONDS}; return nanosleep(&t, 0); }
int fsync(int fd) { return slow(); }
int fdatasync(int fd) { return slow(); }
"""


def slow_fsync(folder: Path, seconds: float) -> Path | None:
    """A library for LD_PRELOAD with which each fsync takes so long; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source, library = folder / "slow.c", folder / "slow.so"
    nanoseconds = round(seconds % 1 * 1e9)
    source.write_text(_SOURCE.replace("NANOSECONDS", str(nanoseconds)).replace("SECONDS", str(int(seconds))))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


class SlowDisk:
    """Redis on a slow disk, which can be crashed."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    def until_it_holds_back(self) -> None:
        """Write until Redis answers without having written to its file."""

        def holds_back() -> bool:
            client.set("filler", "x")
            info = client.info("persistence")
            return bool(info["aof_pending_bio_fsync"] and info["aof_buffer_length"])

        with redis.Redis.from_url(self.server.url) as client:
            wait_for(holds_back, "an fsync under way")

    def crash(self) -> None:
        """End Redis as `kill -9` does, and start it again on what its file holds."""
        assert self.server.process is not None
        self.server.process.kill()
        self.server.process.wait()
        self.server.start()


@contextmanager
def slow_disk(folder: Path) -> Iterator[SlowDisk]:
    """Start it. Skips the test where no C compiler is."""
    library = slow_fsync(folder, FSYNC_S)
    if library is None:
        pytest.skip("no C compiler: a slow disk cannot be made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LD_PRELOAD", str(library))
        with RedisServer(folder / "data") as server:
            yield SlowDisk(server)
