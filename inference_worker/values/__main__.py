"""``python -m inference_worker.values``: one values worker. Any number may run."""

from __future__ import annotations

import logging
import secrets
import sys

from redis.exceptions import RedisError

from inference_worker.beat import Beat, Held, Limits, beat_interval_s
from inference_worker.outage import Outage
from inference_worker.stopping import StopFlag
from inference_worker.values.worker import ValuesWorker
from tenfold.command_help import parser_of
from tenfold.contract.errors import SettingsError
from tenfold.logs import configure_logs
from tenfold.settings import Settings, exit_for, load_or_exit
from tenfold.store.connection import connect
from tenfold.store.keys import Keys
from tenfold.store.values_worker_store import ValuesWorkerStore

log = logging.getLogger("tenfold.values")


def run(settings: Settings, name: str, stop: StopFlag) -> None:
    """Serve until ``stop`` is set.

    Raises:
        SettingsError: no Redis is named.
    """
    store = ValuesWorkerStore(
        client=connect(settings.require_redis_url()),
        keys=Keys(settings.key_prefix),
        worker=f"{name}.{secrets.token_hex(2)}",
        stored_bytes_max=settings.stored_values_bytes_max,
        lease_ms=int(settings.lease_s * 1000),
    )
    outage = Outage(stop)
    worker = outage.retry(lambda: ValuesWorker(store, stop))
    limits = Limits(beat_interval_s(settings.lease_s), settings.batch_timeout_s, settings.grace_s)
    beat = Beat(Held(), limits, worker.pulse, stop.stopping_s)
    outage.retry(lambda: worker.pulse([]))
    beat.start()
    log.info("%s is ready: queue %s", store.worker, store.keys.values_queue_name)
    worker.serve()
    beat.stop()
    try:
        worker.leave()
    except RedisError as error:
        log.warning("%s could not say goodbye (%s): its beat will be missed", store.worker, error)
    log.info("%s stopped", store.worker)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit status 2 where a setting is wrong."""
    parser = parser_of(
        "values-worker",
        "Runs value-generation jobs.",
        "tenfold values-worker --redis-url redis://127.0.0.1:6379/0",
    )
    parser.add_argument("--name", default="values-worker", help="what it is called in RQ's tools and logs")
    parser.add_argument("--redis-url", help="the Redis to use (TENFOLD_REDIS_URL)")
    flags = parser.parse_args(arguments)
    settings = load_or_exit({"redis_url": flags.redis_url})
    configure_logs(settings.log_level, settings.log_format)
    stop = StopFlag()
    stop.install()
    try:
        run(settings, flags.name, stop)
    except SettingsError as error:
        exit_for(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
