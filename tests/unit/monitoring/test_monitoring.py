import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from gateway.crud.gauges import Standing, system_registry
from gateway.crud.living import Living
from gateway.crud.queues import TotalsBody
from gateway.crud.status import Counts, HistogramBody, PreemptedBody, QueueBody, Status
from gateway.metrics import Metrics
from monitoring.draw_dashboard import FILE, dashboard, text
from tenfold.store.values_store import ValuesStanding, ValuesWorkerView
from tests.unit.scheduler.core.scene import worker_info

GRAFANA_UNITS = {"bool_yes_no", "bytes", "percentunit", "reqps", "s", "short", "suffix:/s"}
"""Tried in Grafana's own `getValueFormat` (12.1)."""

ALERTS = Path(__file__).parents[3] / "monitoring" / "alerts.yml"
HISTOGRAM = HistogramBody("net@640", 0, [1.0, 2.0], [1, 2, 2], 2.5)
STATUS = Status(
    at_ms=1.0,
    leader="1",
    jobs=2,
    drain_items_per_s=3.0,
    queues=[QueueBody(lane="net@640", oldest_wait_ms=1500.0)],
    counts=Counts({"aged": 4}, [PreemptedBody("net@640", 1, 5)], [HISTOGRAM], [HISTOGRAM], [HISTOGRAM]),
)


def exposed() -> str:
    """What /metrics shows of a busy system."""
    metrics = Metrics()
    metrics.count("GET", "/v1/jobs", 429, 0.1, "client_share")
    values = ValuesStanding(5000.0, 7, 3, 2, 3500.0, [ValuesWorkerView("v", None, None, 1.0, 4000.0)])
    standing = Standing(STATUS, TotalsBody(1, 2, 3, 4), [Living(worker_info("w"), 0.0)], 6, values)
    return (generate_latest(metrics.registry) + generate_latest(system_registry(standing))).decode()


def test_what_the_scheduler_counted_is_exposed() -> None:
    """Counters end in _total, histograms have buckets up to +Inf, and every place is lane and level."""
    shown = exposed()
    assert "tenfold_boosts_total 4.0" in shown
    assert 'tenfold_preemptions_total{lane="net@640",level="1"} 5.0' in shown
    assert 'tenfold_item_wait_seconds_bucket{lane="net@640",le="2.0",level="0"} 2.0' in shown
    assert 'tenfold_item_wait_seconds_bucket{lane="net@640",le="+Inf",level="0"} 2.0' in shown
    assert 'tenfold_batch_service_seconds_sum{lane="net@640",level="0"} 2.5' in shown
    assert 'tenfold_batch_items_count{lane="net@640",level="0"} 2.0' in shown
    assert 'tenfold_http_refusals_total{code="client_share",status="429"} 1.0' in shown


def test_open_jobs_and_the_values_are_exposed() -> None:
    """How many jobs stay open; what of the values is to come, due and since when, and who lives to store it."""
    shown = exposed().splitlines()
    told = {line.split()[0]: float(line.split()[1]) for line in shown if re.match("tenfold_(values|open)_", line)}
    assert told == {
        "tenfold_open_jobs": 6,
        "tenfold_values_stored": 7,
        "tenfold_values_to_come": 3,
        "tenfold_values_queued": 2,
        "tenfold_values_oldest_seconds": 1.5,
        "tenfold_values_workers": 1,
    }


def test_names_keep_to_prometheus_conventions() -> None:
    """As Prometheus' own tool sees them: units, suffixes, help texts; skipped where it is not installed."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool here: Debian has it in the package `prometheus`")
    checked = subprocess.run([tool, "check", "metrics"], input=exposed(), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_dashboard_and_alerts_ask_only_for_what_there_is() -> None:
    """Every metric that a panel or an alert names is one that /metrics shows."""
    named = set(re.findall(r"\btenfold_\w+", text() + ALERTS.read_text()))
    assert len(named) > 20
    assert named <= set(re.findall(r"^(tenfold_\w+)", exposed(), re.MULTILINE))


def test_dashboard_is_the_one_that_its_source_draws() -> None:
    """The provisioned file is up to date, its panels do not overlap, and each has a query."""
    assert FILE.read_text() == text(), "run: python monitoring/draw_dashboard.py"
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        taken |= cells
        assert panel["targets"]


def test_grafana_finds_what_the_dashboard_names() -> None:
    """Its data source is the provisioned one, scraped as often as told; ids are unique, units are Grafana's own."""
    folder = FILE.parents[1] / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    scraped = yaml.safe_load((FILE.parents[2] / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        named = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(one == {"type": source["type"], "uid": source["uid"]} for one in named)
        assert panel["fieldConfig"]["defaults"].get("unit", "s") in GRAFANA_UNITS, panel["title"]
