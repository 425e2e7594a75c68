"""Who is measured: how each server is started, how it takes a picture, and when it is ready."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Target
from benchmarks.peers.environments import ROOT, python_of, version_of
from benchmarks.processes import Tree, free_port, running
from benchmarks.wire import form_of

READY_S = 120.0


class NotReady(Exception):
    """A server did not answer a picture in time."""


@dataclass(frozen=True)
class Setup:
    """What is the same for everybody: threads of the model's, its device, the pictures, where logs go."""

    threads: int
    device: str
    folder: Path
    pictures: int
    logs: Path
    model: str = "demo"

    def environment(self) -> dict[str, str]:
        """For each server and for the plain loop."""
        return {
            "BENCH_THREADS": str(self.threads),
            "BENCH_DEVICE": self.device,
            "BENCH_MODEL": self.model,
            "PYTHONPATH": str(ROOT),
            # Everybody has busy neighbours here, and spinning threads starve beside them (docs/performance.md).
            "OMP_WAIT_POLICY": "PASSIVE",
        }


@dataclass(frozen=True)
class Contender:
    """A server.

    Attributes:
        command: its command line; ``{python}`` and ``{port}`` are filled in.
        packages: what its environment needs; none: it runs in ours.
        package: the one whose version is told.
        path, form, jobs: see :class:`benchmarks.load.Target`.
    """

    name: str
    command: tuple[str, ...]
    package: str
    packages: tuple[str, ...] = ()
    path: str = "/detect"
    form: str = ""
    jobs: str = ""

    def version(self) -> str:
        """Of its package, as it runs here."""
        return version_of(python_of(self.name, self.packages), self.package)

    @contextmanager
    def serving(self, setup: Setup, *extra: str, env: dict[str, str] | None = None) -> Iterator[tuple[Tree, Target]]:
        """It runs and has answered a picture, until the block ends. Raises NotReady."""
        python = python_of(self.name, self.packages)
        port = free_port()
        target = Target("127.0.0.1", port, self.path, self.form, self.jobs)
        command = [part.format(python=python, port=port, bin=python.parent) for part in self.command]
        log = setup.logs / f"{self.name}.log"
        with running([*command, *extra], {**setup.environment(), **(env or {})}, log) as tree:
            _until_ready(tree, target, next(iter(sorted(setup.folder.glob("*.jpg")))).read_bytes())
            yield tree, target


def tenfold(setup: Setup) -> tuple[Contender, tuple[str, ...], dict[str, str]]:
    """Tenfold as ``tenfold up`` starts it, with its data in a folder of its own; its flags and settings."""
    flags = ("--data-dir", str(setup.logs / "tenfold-data"), "--device", setup.device, "--model", setup.model)
    return TENFOLD, flags, {"TENFOLD_LOG_LEVEL": "warning"}


TENFOLD = Contender(
    "tenfold",
    (sys.executable, "-m", "tenfold", "up", "--no-sample", "--port", "{port}"),
    "tenfold",
    path="/v1/detect",
    jobs="/v1/jobs",
)

PEERS = (
    Contender(
        "litserve",
        ("{python}", "-m", "benchmarks.peers.litserve_server", "{port}"),
        "litserve",
        ("litserve",),
        path="/predict",
        form="image",
    ),
    Contender(
        "mosec",
        ("{python}", "-m", "benchmarks.peers.mosec_server", "--port", "{port}", "--timeout", "120000"),
        "mosec",
        ("mosec",),
        path="/inference",
    ),
    Contender(
        "bentoml",
        (
            *("{python}", "-m", "bentoml", "serve", "benchmarks.peers.bentoml_server:Detect"),
            *("--host", "127.0.0.1", "--port", "{port}"),
        ),
        "bentoml",
        ("bentoml",),
        form="images",
    ),
    Contender("ray", ("{python}", "-m", "benchmarks.peers.ray_server", "{port}"), "ray", ("ray[serve]",), path="/"),
    Contender("fastapi", (sys.executable, "-m", "benchmarks.peers.fastapi_server", "{port}"), "fastapi"),
    Contender("rq", (sys.executable, "-m", "benchmarks.peers.rq_server", "{port}"), "rq"),
)


@contextmanager
def serving(contender: Contender, setup: Setup) -> Iterator[tuple[Tree, Target]]:
    """Any contender, Tenfold with its flags. Raises NotReady."""
    if contender.name != TENFOLD.name:
        with contender.serving(setup) as running_one:
            yield running_one
        return
    _, flags, env = tenfold(setup)
    with contender.serving(setup, *flags, env=env) as running_one:
        yield running_one


def named(names: list[str]) -> list[Contender]:
    """Tenfold first, then the peers that are named. Raises ValueError for another name."""
    known = {peer.name: peer for peer in PEERS}
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(f"no peer is called {', '.join(strange)}; there are {', '.join(known)}")
    return [TENFOLD, *(known[name] for name in names)]


def _until_ready(tree: Tree, target: Target, picture: bytes) -> None:
    kind, body = form_of(target.form, [picture]) if target.form else ("image/jpeg", picture)
    give_up_at = time.monotonic() + READY_S
    said = "nothing"
    while time.monotonic() < give_up_at and tree.process.poll() is None:
        connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
        try:
            connection.request("POST", target.path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            said = f"{reply.status} {reply.read(500)!r}"
            if reply.status == 200:
                return
        except (OSError, http.client.HTTPException) as error:
            said = str(error)
        finally:
            connection.close()
        time.sleep(0.3)
    raise NotReady(f"{target.host}:{target.port} answered {said}; its log ends:\n{tree.tail()}")
