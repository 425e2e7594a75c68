"""Servers as process trees: started, watched for what they cost, and stopped whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_S = 30.0
TREE_ENV = "TENFOLD_BENCH_TREE"
"""Names the tree in each of its processes' environment, so that one that left the tree is still found."""


@dataclass(frozen=True)
class Tree:
    """A server with all its processes."""

    process: subprocess.Popen[bytes]
    log: Path
    mark: str

    def members(self) -> list[psutil.Process]:
        """Every process of it that lives."""
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.process.pid)
            found = {child.pid: child for child in (root, *root.children(recursive=True))}
        return list(found.values())

    def cpu_s(self) -> float:
        """Processor seconds so far, those of its ended children included."""
        total = 0.0
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(member.cpu_times()[:4])
        return total

    def memory_mib(self) -> float:
        """Memory now, with what processes share counted once (PSS)."""
        total = 0
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_full_info().pss
        return total / 2**20

    def tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[Tree]:
    """The tree of ``command`` in an environment without our settings, until the block ends."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env={**clean_environment(), **env, TREE_ENV: mark},
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=log.parent,
        )
    tree = Tree(process, log, mark)
    try:
        yield tree
    finally:
        stop(tree)


def stop(tree: Tree) -> None:
    """Ask it to end, then make it; nothing of it is left."""
    members = {member.pid: member for member in (*tree.members(), *_marked(tree.mark))}
    if tree.process.poll() is None:
        tree.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            tree.process.wait(STOP_S)
    for member in {**members, **{left.pid: left for left in _marked(tree.mark)}}.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    tree.process.wait()


def clean_environment() -> dict[str, str]:
    """This process's environment without anybody's settings of Tenfold."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENFOLD_")}


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _marked(mark: str) -> list[psutil.Process]:
    # Ray's daemons leave their parent; what they were started with, they keep.
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(TREE_ENV) == mark:
                found.append(process)
    return found
