"""A Prometheus that watches a running system, with the project's own configuration."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.system.running import eventually

MONITORING = Path(__file__).parents[2] / "monitoring"
EACH_S = 1


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression gives now, as Grafana asks for them."""
        ranged = expr.replace("$__rate_interval", f"{6 * EACH_S}s")
        reply = httpx.get(f"{self.url}/api/v1/query", params={"query": ranged}, timeout=20)
        assert reply.status_code == 200, f"{expr}: {reply.text}"
        return list(reply.json()["data"]["result"])

    def targets(self) -> list[dict[str, Any]]:
        return list(httpx.get(f"{self.url}/api/v1/targets", timeout=20).json()["data"]["activeTargets"])

    def rules(self) -> list[dict[str, Any]]:
        groups = httpx.get(f"{self.url}/api/v1/rules", timeout=20).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def watched(url: str, folder: Path) -> Iterator[Prometheus]:
    """Prometheus on a free port, that scrapes the gateway at ``url`` each second; skipped where it is not installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flags = [
        f"--config.file={_configuration(url, folder)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen([binary, *flags], stderr=log) as process:
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            assert eventually(lambda: _answers(prometheus.url), 60), (folder / "log").read_text()
            yield prometheus
        finally:
            process.terminate()


def _configuration(url: str, folder: Path) -> Path:
    """Ours, but for what only a composed system has: names of containers, and the paths inside one."""
    told = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    told["global"] = {"scrape_interval": f"{EACH_S}s", "evaluation_interval": f"{EACH_S}s"}
    told["rule_files"] = [str(MONITORING / "alerts.yml")]
    (job,) = told["scrape_configs"]
    (folder / "key").touch()
    job["authorization"]["credentials_file"] = str(folder / "key")
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [urlsplit(url).netloc]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(told))
    return file


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
