"""``python -m tenfold.health SERVICE``: whether the service beside which this runs does its work.

What a container's health check calls: it looks at what the service leaves behind, so that a process that lives but
hangs is noticed. Exit status 0 where all is well, else 1 with a sentence on stderr; 2 where it was asked wrongly.
"""

import http.client
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from tenfold.settings import Settings, load_or_exit

if TYPE_CHECKING:
    from tenfold.store.connection import BytesRedis

# Redis' client costs a fifth of a second of CPU to import: only the checks that need it do, inside.

PATIENCE_S: Final = 3.0


def gateway(settings: Settings) -> str:
    """What is wrong with the gateway on this host's loopback; "" where nothing is. Says nothing about Redis."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except OSError as error:
        return f"port {settings.port} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"/healthz answers {status}"


def scheduler(settings: Settings) -> str:
    """What is wrong with the schedulers; "" where one of them leads: this one then leads or stands by."""
    from tenfold.store.keys import Keys

    leads = _redis(settings).exists(Keys(settings.key_prefix).leader)
    return "" if leads else "no scheduler leads"


def worker(settings: Settings, host: str | None = None) -> str:
    """What is wrong with the inference workers of this host; "" where one has beaten within the lease."""
    from tenfold.contract.codec import decode
    from tenfold.contract.records import WorkerInfo
    from tenfold.store.keys import Keys

    host = host or socket.gethostname()
    keys = Keys(settings.key_prefix)
    pipe = _redis(settings).pipeline(transaction=False)
    pipe.time()
    pipe.hvals(keys.workers)
    pipe.zrange(keys.beats, 0, -1, withscores=True)
    (seconds, _), records, beats = pipe.execute()
    since_ms = (seconds - settings.lease_s) * 1000
    beating = {name.decode() for name, at_ms in beats if at_ms >= since_ms}
    here = [record.name for record in (decode(raw, WorkerInfo) for raw in records) if record.host == host]
    return "" if beating.intersection(here) else f"no worker of {host} has beaten within {settings.lease_s:g} s"


def values_worker(settings: Settings, host: str | None = None) -> str:
    """What is wrong with the values workers of this host; "" where one has beaten within the lease."""
    from tenfold.store.keys import RQ_WORKER_PREFIX, Keys

    host = host or socket.gethostname()
    client = _redis(settings)
    since_ms = (client.time()[0] - settings.lease_s) * 1000
    names = client.zrangebyscore(Keys(settings.key_prefix).values_beats, since_ms, "+inf")
    # Only RQ's record of a values worker says where it runs.
    hosts = {client.hget(RQ_WORKER_PREFIX + name.decode(), "hostname") for name in names}
    return "" if host.encode() in hosts else f"no values worker of {host} has beaten within {settings.lease_s:g} s"


def _redis(settings: Settings) -> "BytesRedis":
    from tenfold.store.connection import connect

    return connect(settings.require_redis_url())


CHECKS: Final[Mapping[str, Callable[[Settings], str]]] = {
    "gateway": gateway,
    "scheduler": scheduler,
    "worker": worker,
    "values-worker": values_worker,
}


def main(arguments: Sequence[str]) -> int:
    """Check one service and give the exit status."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        return _say(f"one of {', '.join(CHECKS)} is needed", 2)
    settings = load_or_exit()
    try:
        wrong = CHECKS[arguments[0]](settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the check's answer is no, in one line
        wrong = f"the check failed: {error}"
    return _say(wrong, 1) if wrong else 0


def _say(text: str, status: int) -> int:
    print(f"tenfold.health: {text}", file=sys.stderr)  # noqa: T201 - this is what `docker inspect` shows
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
