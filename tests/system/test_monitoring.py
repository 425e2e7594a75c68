"""Every query of the Grafana dashboard, asked of a Prometheus that watches a busy system."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from monitoring.draw_dashboard import dashboard
from tests.system.load import PICTURE, Api, files
from tests.system.running import eventually, running
from tests.system.watching import Prometheus, watched

SLOW = "synthetic:base_ms=2,item_ms=15"
BUSY = ("--no-sample", "--workers", "2", "--model", SLOW)
LIMITS = {"TENFOLD_QUEUED_ITEMS_MAX": "400", "TENFOLD_BOOST_AFTER_MS": "500"}
SENSIBLE = {
    "bool_yes_no": (1, 1),
    "percentunit": (0, 1),
    "s": (0, 300),
    "reqps": (0, 1000),
    "suffix:/s": (0, 1000),
    "bytes": (0, 2**40),
    "short": (0, 10_000),
}
"""What a figure of a unit may be while the load runs."""


@contextmanager
def load(url: str) -> Iterator[None]:
    """Single photos, bulk jobs up to the queue's bound and beyond, values, and requests for what there is not."""
    done = threading.Event()
    api = Api(url)

    def singles() -> None:
        while not done.is_set():
            api.detect(PICTURE)

    def bulk() -> None:
        while not done.wait(0.3):
            # Beyond one client's half of the bound these are refused, which is part of the load.
            for priority in ("low", "normal"):
                httpx.post(f"{url}/v1/jobs", files=files([PICTURE] * 65), data={"priority": priority}, timeout=60)
            httpx.get(f"{url}/v1/jobs/none")
            httpx.post(f"{url}/v1/values/generate", json={"count": 5, "within_s": 2})

    threads = [threading.Thread(target=one) for one in (singles, bulk)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def wrong(prometheus: Prometheus) -> list[str]:
    """What of the dashboard shows nothing, or what cannot be."""
    found = []
    for panel in dashboard()["panels"]:
        low, high = SENSIBLE[panel["fieldConfig"]["defaults"].get("unit", "short")]
        for target in panel["targets"]:
            values = [float(series["value"][1]) for series in prometheus.ask(target["expr"])]
            if not any(math.isfinite(value) for value in values):
                found.append(f"{panel['title']}: nothing for {target['expr']}")
            found += [
                f"{panel['title']}: {value:g} for {target['expr']}"
                for value in values
                if math.isfinite(value) and not low <= value <= high
            ]
    return found


@pytest.mark.system
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_panel_of_the_dashboard_shows_something_sensible(tmp_path: Path) -> None:
    """Under mixed load each query gives finite figures in its unit; the target is up and no alert's rule fails."""
    with running(tmp_path / "up", *BUSY, env=LIMITS) as up, watched(up.url, tmp_path / "prometheus") as prometheus:
        with load(up.url):
            assert eventually(lambda: not wrong(prometheus), 120), "\n".join(wrong(prometheus))
        assert [target["health"] for target in prometheus.targets()] == ["up"]
        rules = prometheus.rules()
        assert len(rules) > 10
        assert {rule["health"] for rule in rules} == {"ok"}, rules
