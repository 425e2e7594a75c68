"""The system's depth, age and workers as Prometheus reads them: taken from the store at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.crud.system import Living, QueuesBody

_LANE = ["lane", "level"]


class _Fixed(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def system_registry(queues: QueuesBody | None, workers: list[Living]) -> CollectorRegistry:
    """A registry of what is there now; ``queues`` is None where Redis does not answer."""
    registry = CollectorRegistry()
    families: list[Metric] = [
        GaugeMetricFamily("tenfold_redis_up", "Whether Redis answers.", value=float(queues is not None))
    ]
    if queues is not None:
        families += [*_queue_families(queues), *_total_families(queues), _worker_family(workers)]
    registry.register(_Fixed(families))
    return registry


def _queue_families(queues: QueuesBody) -> list[Metric]:
    items = GaugeMetricFamily("tenfold_queue_items", "Images that wait in no batch.", labels=_LANE)
    batches = GaugeMetricFamily("tenfold_queue_batches", "Batches in RQ queues.", labels=_LANE)
    running = GaugeMetricFamily("tenfold_running_batches", "Batches that workers hold.", labels=_LANE)
    oldest = GaugeMetricFamily("tenfold_queue_oldest_seconds", "Age of the oldest waiting image.", labels=_LANE)
    for queue in queues.queues:
        labels = [queue.lane, str(queue.level)]
        items.add_metric(labels, queue.waiting_items)
        running.add_metric(labels, queue.running_batches)
        batches.add_metric(labels, queue.queued_batches)
        oldest.add_metric(labels, (queue.oldest_wait_ms or 0.0) / 1000)
    return [items, batches, running, oldest]


def _total_families(queues: QueuesBody) -> list[Metric]:
    totals = queues.queued
    return [
        GaugeMetricFamily("tenfold_queued_items", "Images accepted and not finished.", value=totals.items),
        GaugeMetricFamily("tenfold_queued_bytes", "Their encoded size.", value=totals.bytes),
        GaugeMetricFamily("tenfold_queued_items_max", "The bound of tenfold_queued_items.", value=totals.items_max),
        GaugeMetricFamily("tenfold_queued_bytes_max", "The bound of tenfold_queued_bytes.", value=totals.bytes_max),
        GaugeMetricFamily("tenfold_drain_items_per_second", "Images done.", value=queues.drain_items_per_s),
        GaugeMetricFamily("tenfold_scheduler_up", "Whether a scheduler tells.", value=float(queues.at is not None)),
    ]


def _worker_family(workers: list[Living]) -> Metric:
    family = GaugeMetricFamily("tenfold_workers", "Living workers.", labels=["model", "device"])
    for (model, device), count in Counter((one.info.model, one.info.device) for one in workers).items():
        family.add_metric([model, device], count)
    return family
