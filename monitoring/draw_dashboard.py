"""Writes the Grafana dashboard: ``python monitoring/draw_dashboard.py``. A test says when the file is out of date."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana" / "dashboards" / "tenfold.json"
SOURCE = {"type": "prometheus", "uid": "tenfold"}
HIGH, COLUMNS = 8, 24

# The system is the same at every gateway: max. Requests are each gateway's own: sum.
BY_LEVEL = "max by (lane, level)"
RATE = "[$__rate_interval]"

TURNS = {
    "sinks": "sank",
    "boosts": "rose",
    "promotions": "batch moved up",
    "held_down_jobs": "held down",
    "expired_jobs": "expired",
    "lost_batches": "worker lost",
}


@dataclass(frozen=True)
class Panel:
    """A panel: its title, its queries with their legends, its unit, and how it is drawn."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    meaning: str = ""

    def drawn(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        return {
            "id": number,
            "title": self.title,
            "description": self.meaning,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": 4 if self.kind == "stat" else HIGH},
            "targets": [
                {"refId": chr(65 + place), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
                for place, (expr, legend) in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0, "custom": self._custom()}, "overrides": []},
        }

    def _custom(self) -> dict[str, Any]:
        if self.kind != "timeseries":
            return {}
        return {"fillOpacity": 25 if self.stacked else 8, "stacking": {"mode": "normal" if self.stacked else "none"}}


def quantile(part: float, metric: str, by: str) -> str:
    """A quantile of a histogram that every gateway shows alike."""
    return f"histogram_quantile({part}, max by (le, {by}) (rate({metric}_bucket{RATE})))"


def per_lane(counter: str) -> str:
    """The rate of a counter by lane, over its levels."""
    return f"sum by (lane) ({BY_LEVEL} (rate({counter}{RATE})))"


STATS = (
    Panel("Scheduler", (("max(tenfold_scheduler_up)", "leads"),), "bool_yes_no", "stat", 4),
    Panel("Workers", (("sum(max by (device) (tenfold_workers))", "living"),), "short", "stat", 4),
    Panel("Images done", (("max(tenfold_drain_items_per_second)", "a second"),), "ops", "stat", 4),
    Panel("Jobs", (("max(tenfold_active_jobs)", "not final"),), "short", "stat", 4),
    Panel("Queue full", (("max(tenfold_queued_items) / max(tenfold_queued_items_max)", ""),), "percentunit", "stat", 4),
    Panel("Refused", ((f"sum(rate(tenfold_http_refusals_total{RATE}))", "a second"),), "reqps", "stat", 4),
)

CHARTS = (
    Panel("Waiting images", ((f"{BY_LEVEL} (tenfold_queue_items)", "{{lane}} level {{level}}"),), stacked=True),
    Panel(
        "Oldest waiting image",
        ((f"{BY_LEVEL} (tenfold_queue_oldest_seconds)", "{{lane}} level {{level}}"),),
        "s",
        meaning="Level 0 should stay low whatever waits below it.",
    ),
    Panel(
        "Images arriving and done",
        (
            ("sum(max by (lane, level) (tenfold_arrived_items_per_second))", "arriving"),
            ("sum(max by (lane, level) (tenfold_done_items_per_second))", "done"),
        ),
        "ops",
    ),
    Panel(
        "Wait by level",
        (
            (quantile(0.5, "tenfold_item_wait_seconds", "level"), "level {{level}} p50"),
            (quantile(0.99, "tenfold_item_wait_seconds", "level"), "level {{level}} p99"),
        ),
        "s",
        meaning="From a job's entry to its image's claim.",
    ),
    Panel(
        "Batch service time",
        (
            (quantile(0.5, "tenfold_batch_service_seconds", "lane"), "{{lane}} p50"),
            (quantile(0.99, "tenfold_batch_service_seconds", "lane"), "{{lane}} p99"),
        ),
        "s",
    ),
    Panel(
        "Images a batch",
        ((f"{per_lane('tenfold_batch_items_sum')} / {per_lane('tenfold_batch_items_count')}", "{{lane}}"),),
        meaning="Ten with a backlog; fewer where nobody waits, since a batch does not wait for company then.",
    ),
    Panel(
        "Batches in queues and with workers",
        (
            ("sum(max by (lane, level) (tenfold_queue_batches))", "in queues"),
            ("sum(max by (lane, level) (tenfold_running_batches))", "with workers"),
        ),
    ),
    Panel(
        "Turns of the feedback queue",
        (
            *((f"max(rate(tenfold_{name}_total{RATE}))", word) for name, word in TURNS.items()),
            (f"sum({BY_LEVEL} (rate(tenfold_preemptions_total{RATE})))", "made way"),
        ),
        "ops",
    ),
    Panel("Refusals", ((f"sum by (code) (rate(tenfold_http_refusals_total{RATE}))", "{{code}}"),), "reqps"),
    Panel(
        "Requests",
        ((f"sum by (route, status) (rate(tenfold_http_requests_total{RATE}))", "{{route}} {{status}}"),),
        "reqps",
        width=12,
    ),
    Panel(
        "Request time, p95",
        (
            (
                f"histogram_quantile(0.95, sum by (le, route) (rate(tenfold_http_request_seconds_bucket{RATE})))",
                "{{route}}",
            ),
        ),
        "s",
        width=12,
    ),
)


def dashboard() -> dict[str, Any]:
    """The whole of it, as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    x = y = 0
    for panel in (*STATS, *CHARTS):
        panels.append(panel.drawn(len(panels) + 1, x, y))
        x += panel.width
        if x >= COLUMNS:
            x, y = 0, y + panels[-1]["gridPos"]["h"]
    return {
        "uid": "tenfold",
        "title": "Tenfold",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": panels,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
