"""Part 4, queueing: a model of cost 0, so that what remains is the queue's own cost."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from benchmarks.backstage import Backstage, backstage
from benchmarks.contenders import TENFOLD, Setup, serving
from benchmarks.figures import Spread, percentile, shown
from benchmarks.plan import Plan
from benchmarks.report import Figure, Section, Table
from benchmarks.sending import order_of, send
from tenfold.store.keys import RQ_JOB_PREFIX

FREE = "synthetic:base_ms=0,item_ms=0"
WORKERS = (1, 2, 4)
DEPTHS = (1_000, 10_000, 100_000, 1_000_000)
JOB_IMAGES = 10_000
TIMED_IMAGES = 20_000
LONE_BATCHES = 100


def run(plan: Plan) -> Section:
    """Throughput without HTTP and with it, the cost of one batch, round trips, scaling."""
    section = Section(
        "Queueing",
        "The synthetic model of cost 0: pictures of 64 × 48 pixels are stored, scheduled, claimed, decoded and "
        "answered, and nothing is computed.",
    )
    _throughput(plan, section)
    _lone_batches(plan, section)
    _depth(plan, section)
    _with_http(plan, section)
    return section


@contextmanager
def _stage(workers: int, model: str = FREE) -> Iterator[Backstage]:
    with tempfile.TemporaryDirectory(prefix="bench-queue-") as folder, backstage(Path(folder), model, workers) as stage:
        stage.drain(5, 100, small_picture())
        yield stage


def _throughput(plan: Plan, section: Section) -> None:
    jobs, images = (20 if plan.quick else 50), 100
    rows = []
    for workers in WORKERS:
        plan.tell(f"queueing without HTTP, {workers} workers")
        with _stage(workers) as stage:
            cpu_s, reads = stage.cpu_s(), stage.commands()
            speeds = [jobs * images / stage.drain(jobs, images, small_picture()) for _ in range(plan.repeats)]
            total = jobs * images * plan.repeats
            spent = {name: (s - cpu_s[name]) * 1e6 / total for name, s in stage.cpu_s().items()}
            trips = (stage.commands()["reads"] - reads["reads"]) / total
            section.raw[f"{workers} workers"] = {"images_per_s": speeds, "cpu_us_per_image": spent, "reads": trips}
        spread = Spread.of(speeds)
        workers_us = sum(us for name, us in spent.items() if name.startswith("worker"))
        rows.append(
            (
                *(str(workers), str(spread), shown(spread.median / 10)),
                *(shown(us) for us in (spent["scheduler"], workers_us, spent["redis"])),
                shown(trips),
            )
        )
        if workers == 1:
            section.figures.append(
                Figure(
                    "images/s through Redis, scheduler and one worker of cost 0, without HTTP",
                    "≥ 5000 on two cores",
                    str(spread),
                    spread.median >= 5000,
                )
            )
    columns = ("workers", "images/s", "batches/s", "CPU µs an image: scheduler", "workers", "Redis", "reads an image")
    notes = (
        f"{jobs} jobs of {images} images each, submitted at once; uploading is not in the time but is in the reads",
        "a read is one answer of Redis to what a client had sent: a round trip, or a pipeline's",
    )
    section.tables.append(Table("Without HTTP", columns, rows, notes))


def _lone_batches(plan: Plan, section: Section) -> None:
    plan.tell("queueing: one batch at a time")
    count = LONE_BATCHES // (4 if plan.quick else 1)
    rows = []
    for images in (1, 10):
        with _stage(1) as stage:
            whole_ms = [stage.drain(1, images, small_picture()) * 1000 for _ in range(count)]
            waits_ms = dispatch_to_claim_ms(stage.redis)[-count:]
        section.raw[f"lone batches of {images}"] = {"whole_ms": whole_ms, "dispatch_to_claim_ms": waits_ms}
        shares = (0.5, 0.95)
        rows.append((str(images), *(shown(percentile(v, share)) for v in (waits_ms, whole_ms) for share in shares)))
    columns = ("images", "dispatch to claim, p50 ms", "p95", "submitted to all results stored, p50 ms", "p95")
    notes = ("by the times that RQ's own job hash holds: `enqueued_at` to `started_at`",)
    section.tables.append(Table("One batch on an idle system", columns, rows, notes))
    cost = median(section.raw["lone batches of 10"]["dispatch_to_claim_ms"])
    section.figures.append(
        Figure("queueing cost of a batch, dispatch to claim, p50", "≤ 3 ms", f"{shown(cost)} ms", cost <= 3)
    )


def dispatch_to_claim_ms(redis: Any) -> list[float]:
    """Of each batch whose RQ job is still there, in the order of dispatch."""
    names = sorted(redis.scan_iter(RQ_JOB_PREFIX + "*", count=1000))
    found = []
    for name in names:
        enqueued, started = redis.hmget(name, "enqueued_at", "started_at")
        if enqueued and started:
            found.append((_time(started) - _time(enqueued)).total_seconds() * 1000)
    return found


def _time(raw: bytes) -> datetime:
    text = raw.decode().replace("Z", "+00:00")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _depth(plan: Plan, section: Section) -> None:
    """Jobs of 10 000 images that have no picture: only the queue's own work is left."""
    rows = []
    speeds: dict[int, float] = {}
    for depth in DEPTHS[: 2 if plan.quick else None]:
        plan.tell(f"queueing: {depth} images queued")
        with _stage(1) as stage:
            per_job, timed = min(depth, JOB_IMAGES), min(depth, TIMED_IMAGES)
            speeds[depth] = timed / stage.drain_part(depth // per_job, per_job, timed)
        rows.append((f"{depth:,}".replace(",", " "), shown(speeds[depth])))
    section.raw["images/s by depth"] = {str(depth): speed for depth, speed in speeds.items()}
    section.tables.append(
        Table(
            "With a deep queue",
            ("queued at first", "images/s"),
            rows,
            (f"images without a picture; at most the first {TIMED_IMAGES} are timed, from the first submission on",),
        )
    )


def _with_http(plan: Plan, section: Section) -> None:
    plan.tell("queueing through HTTP")
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-small-") as folder:
        (Path(folder) / "640x480-000.jpg").write_bytes(small_picture())
        setup = Setup(1, "cpu", Path(folder), 1, plan.setup.logs, model=FREE)
        with serving(TENFOLD, setup) as (tree, target):
            send(order_of(setup, target, 1.0, concurrency=10))
            for concurrency in (1, 10, 50):
                cpu_s = tree.cpu_s()
                log = send(order_of(setup, target, plan.seconds, concurrency=concurrency))
                took_ms = [(sent.end_s - sent.at_s) * 1000 for sent in log.singles if sent.status == 200]
                cpu_ms = (tree.cpu_s() - cpu_s) * 1000 / len(took_ms)
                section.raw[f"HTTP, {concurrency}"] = {"images_per_s": len(took_ms) / log.wall_s, "cpu_ms": cpu_ms}
                rows.append(
                    (
                        *(str(concurrency), shown(len(took_ms) / log.wall_s)),
                        *(shown(percentile(took_ms, share)) for share in (0.5, 0.99)),
                        shown(cpu_ms),
                    )
                )
    columns = ("concurrency", "images/s", "p50 ms", "p99 ms", "CPU ms an image, all processes")
    section.tables.append(Table("One-image requests through HTTP", columns, rows))


def small_picture() -> bytes:
    """A JPEG of 64 x 48 pixels."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 120, 30)).save(out, "JPEG")
    return out.getvalue()
