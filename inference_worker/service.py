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
from inference_worker.reloading import Making, Reloading
from inference_worker.resident import Resident
from inference_worker.residents import Residents
from inference_worker.runner import BatchRunner
from inference_worker.stopping import StopFlag
from inference_worker.telling import UNTRACED, Telling
from inference_worker.worker import InferenceWorker
from tenfold.contract.codec import decode
from tenfold.contract.errors import BadMessage
from tenfold.contract.records import POOL, ReloadRequest, WorkerInfo
from tenfold.settings import Settings
from tenfold.store.connection import BytesRedis, connect
from tenfold.store.keys import Keys
from tenfold.store.worker_store import WorkerStore
from tenfold.tracing.starting import start_tracing

log = logging.getLogger("tenfold.worker")


def run(settings: Settings, choice: Choice, stop: StopFlag) -> None:
    """Serve until ``stop`` is set.

    Raises:
        SettingsError: a setting that this machine cannot meet.
        ValueError: no such model, or models that one worker cannot hold together.
        DeviceLost: the process has to end; what it held is left to its lease.
    """
    # A broken EXIF block is worth no line in the log; there can be one in every image.
    warnings.filterwarnings("ignore", module="PIL")
    device = resolve_device(settings.device)
    client, keys = connect(settings.require_redis_url()), Keys(settings.key_prefix)
    seen = _seen_reloads(client, keys)
    residents = Residents(Resident.load(source, device) for source in settings.model)
    decoders = Decoders(decode_threads(usable_cores()), settings.pixels_max)
    store = _store(client, keys, settings, choice, residents)
    info = _info(store.worker, choice, settings, residents, device)
    for model in info.models:
        log.info("%s starts: model %s, version %s, on %s", info.name, model.name, model.version, device)
    telling = _telling(info.name)
    worker = Outage(stop).retry(
        lambda: InferenceWorker(store, info, residents.infos, settings.batch_size, stop, telling)
    )
    ahead = _ahead(store, residents, decoders)
    runner = BatchRunner(info.name, residents, decoders, worker.blobs, lambda: bool(stop), ahead)
    making = Making(device, settings.batch_size)
    reloading = Reloading(store, residents, making, seen, runner.swap, worker.rejoin)
    reloading.start()
    # After the threads beside the main one, since part of what each sets for itself is the whole process's.
    torch.set_num_threads(compute_threads(choice.threads, device))
    for name in residents.names:
        residents.of(name).warm(settings.batch_size, lambda *ran: runner.curve(ran[0]).record(*ran[1:]))
    try:
        _serve(worker, runner, reloading, settings, stop)
    finally:
        if ahead is not None:
            ahead.close()
        decoders.close()
        telling.stop()
    log.info("%s stopped", info.name)


def _telling(name: str) -> Telling:
    spans = start_tracing("worker", name)
    if spans is None:
        return UNTRACED
    from inference_worker.batch_spans import BatchSpans

    return BatchSpans(spans, name)


def _seen_reloads(client: BytesRedis, keys: Keys) -> dict[str, str]:
    """The reloads asked for so far, by model: what is loaded after this look is as new as they want it.

    Nothing where Redis does not answer yet: an old request then finds its model unchanged.
    """
    try:
        return {model.decode(): decode(raw, ReloadRequest).id for model, raw in client.hgetall(keys.reloads).items()}
    except (RedisError, BadMessage):
        return {}


def _serve(
    worker: InferenceWorker, runner: BatchRunner, reloading: Reloading, settings: Settings, stop: StopFlag
) -> None:
    limits = Limits(beat_interval_s(settings.lease_s), settings.batch_timeout_s, settings.grace_s)
    beat = Beat(worker.held, limits, worker.pulse, stop.stopping_s)
    Outage(stop).retry(lambda: worker.pulse([]))
    try:
        stop.defer()
        beat.start()
        log.info("%s is ready: lanes %s", worker.name, ", ".join(runner.lanes))
        worker.serve(runner, reloading.settle)
    finally:
        # First, so that nothing announces the worker again once it has left.
        reloading.stop()
        beat.stop()
        _leave(worker)


def _leave(worker: InferenceWorker) -> None:
    try:
        worker.leave()
    except RedisError as error:
        log.warning("%s could not say goodbye (%s): its beat will be missed", worker.name, error)


def _ahead(store: WorkerStore, residents: Residents, decoders: Decoders) -> Ahead | None:
    """Looks ahead where a model leaves cores to the decoders, or tells when it does; the others need every core."""
    if not any(resident.looks_ahead for resident in residents):
        return None
    return Ahead(
        store.peek,
        store.blobs,
        lambda batch, images: decoders.park(images, residents.of(batch.model).detector, batch.size),
    )


def _store(client: BytesRedis, keys: Keys, settings: Settings, choice: Choice, residents: Residents) -> WorkerStore:
    queues = [[keys.queue_name(lane, level) for lane in residents.lanes] for level in choice.served(settings.levels)]
    return WorkerStore(
        client=client,
        keys=keys,
        worker=f"{choice.name}.{secrets.token_hex(2)}",
        queues=queues,
        lease_ms=int(settings.lease_s * 1000),
        keep_images_ms=int(settings.keep_images_s * 1000),
    )


def _info(name: str, choice: Choice, settings: Settings, residents: Residents, device: torch.device) -> WorkerInfo:
    return WorkerInfo(
        name=name,
        pool=POOL,
        lanes=residents.lanes,
        levels=choice.served(settings.levels),
        models=residents.served,
        device=str(device),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=time.time() * 1000,
    )
