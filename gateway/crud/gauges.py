"""The system's depth, age, counts and workers as Prometheus reads them: taken from the store at each scrape.

What the leading scheduler counted (waits, service times, fill, turns) starts from zero with a new leader, as counters
do. Every gateway shows the same of it: over several, take `max`, not `sum`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.crud.living import Living
from gateway.crud.queues import TotalsBody
from gateway.crud.status import Counts, HistogramBody, QueueBody, Status
from gateway.crud.values_system import oldest_wait_ms
from tenfold.store.values_store import ValuesStanding

_LANE = ["lane", "level"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The system at the moment of a scrape."""

    status: Status
    totals: TotalsBody
    workers: Sequence[Living]
    open_jobs: int
    values: ValuesStanding


class _Fixed(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def system_registry(standing: Standing | None) -> CollectorRegistry:
    """A registry of what is there now; ``standing`` is None where Redis does not answer."""
    registry = CollectorRegistry()
    families: list[Metric] = [_gauge("tenfold_redis_up", "Whether Redis answers.", float(standing is not None))]
    if standing is not None:
        status = standing.status
        families += [
            *_queue_families(status.queues),
            *_total_families(standing.totals),
            *_scheduler_families(status),
            _gauge("tenfold_open_jobs", "Jobs that are open for more images.", standing.open_jobs),
            *_values_families(standing.values),
            *_count_families(status.counts),
            _worker_family(standing.workers),
            _version_family(standing.workers),
        ]
    registry.register(_Fixed(families))
    return registry


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _queue_families(queues: Sequence[QueueBody]) -> list[Metric]:
    items = GaugeMetricFamily("tenfold_queue_items", "Images that wait in no batch.", labels=_LANE)
    batches = GaugeMetricFamily("tenfold_queue_batches", "Batches in RQ queues.", labels=_LANE)
    running = GaugeMetricFamily("tenfold_running_batches", "Batches that workers hold.", labels=_LANE)
    oldest = GaugeMetricFamily("tenfold_queue_oldest_seconds", "Age of the oldest waiting image.", labels=_LANE)
    arrived = GaugeMetricFamily("tenfold_arrived_items_per_second", "Images that came, lately.", labels=_LANE)
    done = GaugeMetricFamily("tenfold_done_items_per_second", "Images that were done, lately.", labels=_LANE)
    for queue in queues:
        labels = [queue.lane, str(queue.level)]
        items.add_metric(labels, queue.waiting_items)
        running.add_metric(labels, queue.running_batches)
        batches.add_metric(labels, queue.queued_batches)
        oldest.add_metric(labels, (queue.oldest_wait_ms or 0.0) / 1000)
        arrived.add_metric(labels, queue.arrived_per_s or 0.0)
        done.add_metric(labels, queue.done_per_s or 0.0)
    return [items, batches, running, oldest, arrived, done]


def _total_families(totals: TotalsBody) -> list[Metric]:
    return [
        _gauge("tenfold_queued_items", "Images accepted and not finished.", totals.items),
        _gauge("tenfold_queued_bytes", "Their encoded size.", totals.bytes),
        _gauge("tenfold_queued_items_max", "The bound of tenfold_queued_items.", totals.items_max),
        _gauge("tenfold_queued_bytes_max", "The bound of tenfold_queued_bytes.", totals.bytes_max),
    ]


def _scheduler_families(status: Status) -> list[Metric]:
    return [
        _gauge("tenfold_scheduler_up", "Whether a scheduler tells.", float(status.at_ms is not None)),
        _gauge("tenfold_active_jobs", "Jobs that are not final.", status.jobs or 0),
        _gauge("tenfold_drain_items_per_second", "Images done, lately.", status.drain_items_per_s or 0.0),
    ]


def _values_families(values: ValuesStanding) -> list[Metric]:
    oldest_s = (oldest_wait_ms(values) or 0.0) / 1000
    return [
        _gauge("tenfold_values_stored", "Values that are stored.", values.stored),
        _gauge("tenfold_values_to_come", "Values to be made whose moment has not come.", values.to_come),
        _gauge("tenfold_values_queued", "Values that are due and not yet stored.", values.queued),
        _gauge("tenfold_values_oldest_seconds", "For how long the first of these has been due.", oldest_s),
        _gauge("tenfold_values_workers", "Living values workers.", len(values.workers)),
    ]


def _count_families(counts: Counts) -> list[Metric]:
    turns = counts.turns
    preempted = CounterMetricFamily(
        "tenfold_preemptions", "Batches that made way for something more urgent.", labels=_LANE
    )
    for one in counts.preempted:
        preempted.add_metric([one.lane, str(one.level)], one.count)
    return [
        preempted,
        _counter("tenfold_boosts", "Jobs that aged: they got a turn at level 0.", turns.get("aged", 0)),
        _counter("tenfold_sinks", "Jobs that used up their allotment at a level.", turns.get("sank", 0)),
        _counter("tenfold_promotions", "Jobs of which a queued batch moved up.", turns.get("moved", 0)),
        _counter("tenfold_held_down_jobs", "Jobs told that their client is ahead.", turns.get("held_down", 0)),
        _counter("tenfold_expired_jobs", "Jobs whose deadline passed.", turns.get("expired", 0)),
        _counter("tenfold_lost_batches", "Batches whose worker was lost.", turns.get("lost", 0)),
        _counter("tenfold_workers_joined", "Workers that came: one that was started again is another.", counts.joined),
        _histogram(
            "tenfold_item_wait_seconds", "From a job's entry to its image's claim, by the job's level.", counts.wait_s
        ),
        _histogram("tenfold_batch_service_seconds", "Time that a worker computed for a batch.", counts.service_s),
        _histogram("tenfold_batch_items", "Images of a batch as it was dispatched.", counts.fill_items),
    ]


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=value)


def _histogram(name: str, meaning: str, told: Sequence[HistogramBody]) -> Metric:
    family = HistogramMetricFamily(name, meaning, labels=_LANE)
    for one in told:
        bounds = [*(str(float(bound)) for bound in one.bounds), "+Inf"]
        family.add_metric([one.lane, str(one.level)], list(zip(bounds, one.counts, strict=True)), one.sum)
    return family


def _worker_family(workers: Sequence[Living]) -> Metric:
    family = GaugeMetricFamily("tenfold_workers", "Living workers.", labels=["device"])
    for device, count in Counter(one.info.device for one in workers).items():
        family.add_metric([device], count)
    return family


def _version_family(workers: Sequence[Living]) -> Metric:
    # Apart from the workers, since one that holds several models counts once there.
    meaning = "Living workers that hold a version of a model."
    family = GaugeMetricFamily("tenfold_model_workers", meaning, labels=["model", "version"])
    held = Counter((model.name, model.version) for one in workers for model in one.info.models)
    for (model, version), count in held.items():
        family.add_metric([model, version], count)
    return family
