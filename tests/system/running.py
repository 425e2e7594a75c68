"""A whole system for a test: `tenfold up` as a person starts it, on a free port and a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

READY = "Tenfold is ready at "
SYNTHETIC = "synthetic:base_ms=5,item_ms=2"


@dataclass
class Running:
    """A running `tenfold up`: its process, its URL, what it printed before it was ready, and its log stream."""

    process: "subprocess.Popen[str]"
    url: str
    printed: list[str]
    log: Path
    data_dir: Path

    def children(self) -> dict[str, psutil.Process]:
        """Its processes by the service's name; Redis as `redis`."""
        named: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            if name := _name_of(line):
                named[name] = child
        return named

    def redis_url(self) -> str:
        """The private socket of its own Redis."""
        sockets = [str(at.laddr) for at in self.children()["redis"].net_connections(kind="unix")]
        return "unix://" + next(path for path in sockets if path)

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and give its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def _name_of(line: list[str]) -> str:
    if any("valkey-server" in part or "redis-server" in part for part in line[:1]):
        return "redis"
    if line[1:3] != ["-m", "tenfold"]:
        return ""
    return line[line.index("--name") + 1] if "--name" in line else line[3]


def eventually(condition: Callable[[], bool], within_s: float = 120.0) -> bool:
    """Whether `condition` comes true in time."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "tenfold", *args]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without the settings of whoever runs the tests."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("TENFOLD_")}, "COLUMNS": "200", **extra}


@contextmanager
def running(data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`tenfold up` with `flags`, from its ready line to its end; it is stopped if the test did not."""
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "up.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command("up", "--port", "0", "--data-dir", str(data_dir), *flags),
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=environment(**(env or {})),
        )
        assert process.stdout is not None
        printed: list[str] = []
        try:
            for line in process.stdout:
                printed.append(line.rstrip("\n"))
                if line.startswith(READY):
                    break
            else:
                pytest.fail(f"tenfold up ended before it was ready:\n{log.read_text()[-6000:]}")
            url = printed[-1].removeprefix(READY)
            yield Running(process, url, printed, log, data_dir)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stdout.close()
