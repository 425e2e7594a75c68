"""The composed system for a test: built and started on a reachable engine, under a name and port of its own."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.running import eventually

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("redis", "gateway", "scheduler", "worker", "values-worker")


def compose_command() -> list[str]:
    """The compose command of a reachable engine; the test is skipped, with the reason, where there is none."""
    if shutil.which("docker") is None:
        pytest.skip("no docker client here")
    engine = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=60)
    # An engine's client answers 0 even where no engine does: the words tell.
    if engine.returncode != 0 or "Server Version" not in engine.stdout:
        pytest.skip("no container engine answers (DOCKER_HOST names one)")
    for command in (["docker", "compose"], ["docker-compose"]):
        with contextlib.suppress(OSError):
            asked = subprocess.run([*command, "version"], capture_output=True, check=False, timeout=60)
            if asked.returncode == 0:
                return command
    pytest.skip("the engine answers, but there is no compose command")


@dataclass
class Stack:
    """A composed system: what its commands and its containers say."""

    compose: Sequence[str]
    project: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, *args: str, timeout_s: float = 180) -> str:
        """Run a compose command on it and give what it printed."""
        ended = subprocess.run(
            [*self.compose, "--project-name", self.project, *args],
            cwd=CHECKOUT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        assert ended.returncode == 0, f"{' '.join(args)}:\n{ended.stdout[-2000:]}\n{ended.stderr[-6000:]}"
        return ended.stdout

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What the engine knows of the containers, of one service or of all, stopped ones included."""
        of_service = ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        label = f"label=com.docker.compose.project={self.project}"
        ids = docker("ps", "--all", "--quiet", "--filter", label, *of_service).split()
        return list(json.loads(docker("inspect", *ids))) if ids else []

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def workers(self) -> list[dict[str, Any]]:
        return list(httpx.get(f"{self.url}/v1/workers", timeout=10).json()["workers"])

    def start(self, *args: str) -> None:
        """Start what does not run yet, and wait until the system is ready."""
        self("up", "--detach", *args)
        assert eventually(self.is_ready, 400), self("logs", "--no-color", "--tail", "30")

    def _environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("TENFOLD_")}
        builder = {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}
        return {**own, **builder, "TENFOLD_PORT": str(self.port), **self.settings}


def docker(*args: str) -> str:
    """What a docker command printed."""
    return subprocess.run(["docker", *args], capture_output=True, text=True, check=True, timeout=120).stdout


@contextmanager
def composed(**settings: str) -> Iterator[Stack]:
    """A system built, started and ready; everything of it but the images is gone afterwards."""
    stack = Stack(compose_command(), f"tenfold-test-{secrets.token_hex(4)}", free_port(), settings)
    stack("build", timeout_s=1500)
    try:
        stack.start()
        yield stack
    finally:
        stack("down", "--volumes", "--remove-orphans")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def timed(call: Any, *args: Any) -> float:
    """Seconds that a call took."""
    began = time.monotonic()
    call(*args)
    return time.monotonic() - began
