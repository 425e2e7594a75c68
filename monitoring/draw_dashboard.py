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
NO_ROOM = '{status=~"429|503"}'

TURNS = {
    "sinks": "sank",
    "boosts": "rose",
    "promotions": "batch moved up",
    "held_down_jobs": "held down",
    "expired_jobs": "expired",
    "lost_batches": "worker lost",
    "workers_joined": "worker came",
}

Step = tuple[float | None, str]
"""From this value on, this colour; the first has no value."""

WANTED: tuple[Step, ...] = ((None, "red"), (1, "green"))
UNWANTED: tuple[Step, ...] = ((None, "green"), (0.001, "orange"))
FILLS_UP: tuple[Step, ...] = ((None, "green"), (0.5, "orange"), (0.8, "red"))
PLAIN: tuple[Step, ...] = ((None, "blue"),)


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
    steps: tuple[Step, ...] = PLAIN

    def drawn(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        return {
            "id": number,
            "title": self.title,
            "description": self.meaning,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": 4 if self.kind == "stat" else HIGH},
            "targets": [self._target(place, *query) for place, query in enumerate(self.queries)],
            "options": self._options(),
            "fieldConfig": {"defaults": self._field(), "overrides": []},
        }

    def _target(self, place: int, expr: str, legend: str) -> dict[str, Any]:
        shape = "heatmap" if self.kind == "heatmap" else "time_series"
        return {
            "refId": chr(65 + place),
            "expr": expr,
            "legendFormat": legend,
            "format": shape,
            # A figure is of now; a chart asks for the whole range.
            "instant": self.kind == "stat",
            "range": self.kind != "stat",
            "datasource": SOURCE,
        }

    def _options(self) -> dict[str, Any]:
        if self.kind == "stat":
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            named = "value_and_name" if len(self.queries) > 1 else "value"
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none", "textMode": named}
        if self.kind == "heatmap":
            return {
                "calculate": False,
                "color": {
                    "mode": "scheme",
                    "scheme": "Blues",
                    "steps": 32,
                    "exponent": 0.5,
                    "fill": "blue",
                    "reverse": False,
                },
                "yAxis": {"unit": self.unit},
            }
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}

    def _field(self) -> dict[str, Any]:
        if self.kind == "heatmap":
            return {"custom": {}}
        if self.kind == "stat":
            steps = [{"value": value, "color": color} for value, color in self.steps]
            return {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        drawn = {"fillOpacity": 25 if self.stacked else 8, "stacking": {"mode": "normal" if self.stacked else "none"}}
        return {"unit": self.unit, "min": 0, "custom": drawn}


def buckets(metric: str, by: str) -> str:
    """The buckets of a histogram that every gateway shows alike, summed over what ``by`` does not name."""
    return f"sum by ({by}) (max by (le, lane, level) (rate({metric}_bucket{RATE})))"


def quantile(part: float, metric: str, by: str) -> str:
    """A quantile of such a histogram."""
    return f"histogram_quantile({part}, {buckets(metric, f'le, {by}')})"


def per_lane(counter: str) -> str:
    """The rate of a counter by lane, over its levels."""
    return f"sum by (lane) ({BY_LEVEL} (rate({counter}{RATE})))"


def part_of(figure: str) -> str:
    """How much of its bound a figure of the whole system takes."""
    return f"max({figure}) / max({figure}_max)"


STATS = (
    Panel("Redis", (("max(tenfold_redis_up)", ""),), "bool_yes_no", "stat", 3, steps=WANTED),
    Panel("Scheduler leads", (("max(tenfold_scheduler_up)", ""),), "bool_yes_no", "stat", 3, steps=WANTED),
    Panel(
        "Workers",
        # Where none lives the family is empty: then zero, as long as somebody can tell.
        (("sum(max by (device) (tenfold_workers)) or max(tenfold_redis_up) * 0", ""),),
        "short",
        "stat",
        3,
        steps=WANTED,
    ),
    Panel("Images done", (("max(tenfold_drain_items_per_second)", ""),), "suffix:/s", "stat", 4),
    Panel("Jobs not final", (("max(tenfold_active_jobs)", ""),), "short", "stat", 3),
    Panel(
        "Queue full",
        ((part_of("tenfold_queued_items"), "images"), (part_of("tenfold_queued_bytes"), "bytes")),
        "percentunit",
        "stat",
        4,
        meaning="Of the bounds TENFOLD_QUEUED_ITEMS_MAX and TENFOLD_QUEUED_BYTES_MAX; beyond, clients are refused.",
        steps=FILLS_UP,
    ),
    Panel(
        "Refused for want of room",
        ((f"sum(rate(tenfold_http_refusals_total{NO_ROOM}{RATE})) or vector(0)", ""),),
        "reqps",
        "stat",
        4,
        meaning="Answers 429 and 503: a bound of the client's or of everybody's, or nobody to serve it.",
        steps=UNWANTED,
    ),
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
        "suffix:/s",
    ),
    Panel(
        "Wait by level",
        (
            (quantile(0.5, "tenfold_item_wait_seconds", "level"), "level {{level}} p50"),
            (quantile(0.99, "tenfold_item_wait_seconds", "level"), "level {{level}} p99"),
        ),
        "s",
        meaning="From a job's entry to its image's claim, by the job's own level.",
    ),
    Panel(
        "Batch service time",
        (
            (quantile(0.5, "tenfold_batch_service_seconds", "lane"), "{{lane}} p50"),
            (quantile(0.99, "tenfold_batch_service_seconds", "lane"), "{{lane}} p99"),
        ),
        "s",
        meaning="What a worker computed for a batch.",
    ),
    Panel(
        "Batch service time, how often",
        ((buckets("tenfold_batch_service_seconds", "le"), "{{le}}"),),
        "s",
        "heatmap",
    ),
    Panel(
        "Images a batch",
        ((f"{per_lane('tenfold_batch_items_sum')} / {per_lane('tenfold_batch_items_count')}", "{{lane}}"),),
        meaning="Ten with a backlog; fewer where nobody waits, since a batch does not wait for company then.",
    ),
    Panel(
        "Batches in queues and with workers",
        (
            (f"sum by (level) ({BY_LEVEL} (tenfold_queue_batches))", "in queues, level {{level}}"),
            (f"sum by (level) ({BY_LEVEL} (tenfold_running_batches))", "with workers, level {{level}}"),
        ),
    ),
    Panel(
        "Turns of the feedback queue",
        (
            *((f"max(rate(tenfold_{name}_total{RATE}))", word) for name, word in TURNS.items()),
            (f"sum({BY_LEVEL} (rate(tenfold_preemptions_total{RATE})))", "made way"),
        ),
        "suffix:/s",
        meaning="Sank, rose, moved up, made way: the queue at work. Expired, worker lost, worker came: look why.",
    ),
    Panel(
        "Values",
        (
            ("max(tenfold_values_to_come)", "to come"),
            ("max(tenfold_values_queued)", "due"),
            ("max(tenfold_values_workers)", "workers"),
        ),
        meaning="What the value-generation jobs will store, what of it is due, and who lives to do it.",
    ),
    Panel("Open jobs", (("max(tenfold_open_jobs)", "open for more images"),)),
    Panel(
        "Memory of images",
        (("max(tenfold_queued_bytes)", "queued"), ("max(tenfold_queued_bytes_max)", "bound")),
        "bytes",
        meaning="Encoded bytes of what is accepted and not finished, as Redis holds them.",
    ),
    Panel(
        "Refusals by reason",
        ((f"sum by (code, status) (rate(tenfold_http_refusals_total{RATE}))", "{{code}} {{status}}"),),
        "reqps",
    ),
    Panel(
        "Requests",
        ((f"sum by (route, status) (rate(tenfold_http_requests_total{RATE}))", "{{route}} {{status}}"),),
        "reqps",
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
        "schemaVersion": 41,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": panels,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
