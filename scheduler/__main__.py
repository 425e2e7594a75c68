"""``python -m scheduler``: one scheduler process. Any number may run; one leads."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scheduler.core.config import CoreConfig
from scheduler.core.core import Core
from scheduler.dispatch import Dispatcher
from scheduler.reaper import Reaper
from scheduler.service import Parts, Service
from scheduler.values import DueValues
from tenfold.command_help import parser_of
from tenfold.contract.errors import SettingsError, StoreUnavailable
from tenfold.logs import configure_logs
from tenfold.settings import Settings, exit_for, load_or_exit
from tenfold.store.caretaker import Caretaker
from tenfold.store.connection import BytesRedis, connect
from tenfold.store.ended_jobs import EndedJobs
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.server import Needs, check_server
from tenfold.store.values_scheduler_store import ValuesSchedulerStore
from tenfold.tracing.starting import start_tracing

log = logging.getLogger("tenfold.scheduler")


def core_config(settings: Settings, epoch: int) -> CoreConfig:
    """The core's part of the settings.

    Raises:
        SettingsError: a combination that the core does not allow.
    """
    return CoreConfig(
        epoch=epoch,
        batch_size=settings.batch_size,
        tick_ms=settings.tick_ms,
        idle_tick_ms=settings.idle_tick_ms,
        dispatch=settings.dispatch,
        levels=settings.levels,
        allotments=settings.allotments,
        quantum=settings.quantum,
        boost_after_ms=settings.boost_after_ms,
        client_lead_ms=settings.client_lead_ms,
    )


def build(client: BytesRedis, settings: Settings, stopped: threading.Event) -> Service:
    """The service of these settings on this Redis."""
    keys = Keys(settings.key_prefix)
    store = SchedulerStore(client, keys, int(settings.keep_images_s * 1000))
    caretaker = Caretaker(
        client,
        keys,
        keep_images_s=settings.keep_images_s,
        kept_bytes_max=settings.kept_bytes_max,
        result_ttl_s=int(settings.result_ttl_s),
        result_bytes_max=settings.result_bytes_max,
    )
    reaper = Reaper(store, caretaker, lease_ms=settings.lease_s * 1000, open_job_ms=settings.open_job_s * 1000)
    dispatcher = Dispatcher(store, settings.batch_timeout_s)
    values = DueValues(ValuesSchedulerStore(client, keys), int(settings.result_ttl_s), settings.lease_s * 1000)
    parts = Parts(store, reaper, dispatcher, values, lambda epoch: Core(core_config(settings, epoch)))
    return Service(parts, stopped)


def wait_for_server(client: BytesRedis, settings: Settings, stopped: threading.Event) -> None:
    """Wait until Redis answers, then refuse one that could drop accepted work.

    Raises:
        StoreUnavailable: it could.
    """
    needs = Needs(settings.queued_bytes_max, settings.kept_bytes_max, settings.result_bytes_max)
    told = False
    while not stopped.is_set():
        try:
            for warning in check_server(client, needs, strict=settings.durability == "strict"):
                log.warning("%s", warning)
            return
        except (RedisConnectionError, RedisTimeoutError) as error:
            if not told:
                log.warning("waiting for Redis: %s", error)
                told = True
            stopped.wait(0.5)


@contextlib.contextmanager
def _tracing(client: BytesRedis, settings: Settings) -> Iterator[None]:
    """Tell of jobs that ended, where spans are asked for."""
    spans = start_tracing("scheduler")
    if spans is None:
        yield
        return
    from scheduler.job_spans import JobSpans

    jobs = JobSpans(EndedJobs(client, Keys(settings.key_prefix)), spans)
    jobs.start()
    try:
        yield
    finally:
        jobs.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit status 1 where Redis cannot be used, 2 where a setting is wrong."""
    parser = parser_of(
        "scheduler",
        "Forms batches and shares the workers.",
        "tenfold scheduler --redis-url redis://127.0.0.1:6379/0",
    )
    parser.add_argument("--redis-url", help="the Redis to use (TENFOLD_REDIS_URL)")
    flags = parser.parse_args(arguments)
    settings = load_or_exit({"redis_url": flags.redis_url})
    configure_logs(settings.log_level, settings.log_format)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        core_config(settings, 0)
        client = connect(settings.require_redis_url())
    except SettingsError as error:
        exit_for(error)
    try:
        wait_for_server(client, settings, stopped)
    except StoreUnavailable as error:
        log.error("%s", error)
        return 1
    with _tracing(client, settings):
        build(client, settings, stopped).run()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
