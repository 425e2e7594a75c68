"""Whether a Redis can be trusted with accepted work, asked once at the scheduler's start."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.contract.errors import StoreUnavailable
from tenfold.store.connection import BytesRedis

MIB = 2**20
SPARE_BYTES = 512 * MIB
OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the settings let pile up in Redis, bytes."""

    queued_bytes: int
    kept_bytes: int
    result_bytes: int

    @property
    def total(self) -> int:
        """All of it and room to work."""
        return self.queued_bytes + self.kept_bytes + self.result_bytes + SPARE_BYTES


def check_server(client: BytesRedis, needs: Needs) -> list[str]:
    """Refuse a server that could drop accepted work; return warnings about one that could lose some at a crash.

    Raises:
        StoreUnavailable: it is too old, evicts keys, or has too little memory; the message says what to set.
    """
    info = client.info()
    version = str(info.get("redis_version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise StoreUnavailable(f"this Redis is {version}; {OLDEST[0]}.{OLDEST[1]} or newer is needed (LMOVE, LPOS)")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    limit = int(info.get("maxmemory", 0))
    if limit and policy != "noeviction":
        raise StoreUnavailable(
            f"Redis' maxmemory-policy is {policy}: it could drop queued images; set it to noeviction"
        )
    if limit and limit < needs.total:
        raise StoreUnavailable(
            f"Redis' maxmemory is {limit // MIB} MiB, but what may be queued ({needs.queued_bytes // MIB} MiB), kept "
            f"({needs.kept_bytes // MIB} MiB) and stored as results ({needs.result_bytes // MIB} MiB) needs "
            f"{needs.total // MIB} MiB with room to work; raise it, or lower TENFOLD_QUEUED_BYTES_MAX, "
            "TENFOLD_KEPT_BYTES_MAX or TENFOLD_RESULT_BYTES_MAX"
        )
    if not int(info.get("aof_enabled", 0)):
        return ["Redis has no append-only file: a crash of Redis loses what is queued (set appendonly yes)"]
    return []
