"""One worker process from start to end: load, warm, join, serve, leave."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
import warnings

import torch
from redis.exceptions import RedisError

from inference_worker.ahead import Ahead
from inference_worker.beat import Beat, Limits, beat_interval_s
from inference_worker.choice import Choice
from inference_worker.decoders import Decoders
from inference_worker.devices import compute_threads, decode_threads, resolve_device, usable_cores
from inference_worker.outage import Outage
from inference_worker.resident import Resident
from inference_worker.runner import BatchRunner
from inference_worker.stopping import StopFlag
from inference_worker.worker import InferenceWorker
from tenfold.contract.records import WorkerInfo
from tenfold.settings import Settings
from tenfold.store.connection import connect
from tenfold.store.keys import Keys
from tenfold.store.worker_store import WorkerStore

log = logging.getLogger("tenfold.worker")


def run(settings: Settings, choice: Choice, stop: StopFlag) -> None:
    """Serve until ``stop`` is set.

    Raises:
        SettingsError: a setting that this machine cannot meet.
        ValueError: no such model.
        DeviceLost: the process has to end; what it held is left to its lease.
    """
    # A broken EXIF block is worth no line in the log; there can be one in every image.
    warnings.filterwarnings("ignore", module="PIL")
    device = resolve_device(settings.device)
    resident = Resident.load(settings.model, device)
    decoders = Decoders(resident.detector, decode_threads(usable_cores()), settings.pixels_max)
    torch.set_num_threads(compute_threads(choice.threads, device))
    store = _store(settings, choice, resident)
    info = _info(store.worker, choice, settings, resident, device)
    log.info("%s starts: model %s, version %s, on %s", info.name, info.model, info.version, device)
    worker = Outage(stop).retry(lambda: InferenceWorker(store, info, resident.info, settings.batch_size, stop))
    # On a CPU the model needs every core itself; a GPU, or a model that only waits, leaves them to decoders.
    idle_cores = device.type != "cpu" or resident.info.synthetic
    ahead = Ahead(store.peek, store.blobs, decoders) if idle_cores else None
    runner = BatchRunner(info.name, resident.detector, decoders, worker.blobs, lambda: bool(stop), ahead)
    resident.warm(settings.batch_size, lambda lane, images, took_ms: runner.curve(lane).record(images, took_ms))
    try:
        _serve(worker, runner, settings, stop)
    finally:
        if ahead is not None:
            ahead.close()
        decoders.close()
    log.info("%s stopped", info.name)


def _serve(worker: InferenceWorker, runner: BatchRunner, settings: Settings, stop: StopFlag) -> None:
    limits = Limits(beat_interval_s(settings.lease_s), settings.batch_timeout_s, settings.grace_s)
    beat = Beat(worker.held, limits, worker.pulse, stop.stopping_s)
    Outage(stop).retry(lambda: worker.pulse([]))
    try:
        stop.defer()
        beat.start()
        log.info("%s is ready: queues %s", worker.name, ", ".join(worker.queue_names()))
        worker.serve(runner)
    finally:
        beat.stop()
        _leave(worker)


def _leave(worker: InferenceWorker) -> None:
    try:
        worker.leave()
    except RedisError as error:
        log.warning("%s could not say goodbye (%s): its beat will be missed", worker.name, error)


def _store(settings: Settings, choice: Choice, resident: Resident) -> WorkerStore:
    keys = Keys(settings.key_prefix)
    queues = [[keys.queue_name(lane, level) for lane in resident.lanes] for level in choice.served(settings.levels)]
    return WorkerStore(
        client=connect(settings.require_redis_url()),
        keys=keys,
        worker=f"{choice.name}.{secrets.token_hex(2)}",
        queues=queues,
        lease_ms=int(settings.lease_s * 1000),
        keep_images_ms=int(settings.keep_images_s * 1000),
    )


def _info(name: str, choice: Choice, settings: Settings, resident: Resident, device: torch.device) -> WorkerInfo:
    return WorkerInfo(
        name=name,
        pool=resident.info.name,
        lanes=resident.lanes,
        levels=choice.served(settings.levels),
        model=resident.info.name,
        version=resident.info.version,
        device=str(device),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=time.time() * 1000,
    )
