"""Whether a Redis can be trusted with accepted work, asked once at the scheduler's start."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.contract.errors import StoreUnavailable
from tenfold.store.connection import BytesRedis

MIB = 2**20
SPARE_BYTES = 512 * MIB
OLDEST = (6, 2)
CAN_WAIT_FOR_DISK = (7, 2)


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


def check_server(client: BytesRedis, needs: Needs, *, strict: bool = False) -> list[str]:
    """Refuse a server that could drop accepted work; return warnings about one that could lose some at a crash.

    Raises:
        StoreUnavailable: it is too old, evicts keys, has too little memory, or cannot be as ``strict`` as asked; the
            message says what to set.
    """
    info = client.info()
    version = str(info.get("redis_version", "0.0"))
    if _version(version) < OLDEST:
        raise StoreUnavailable(f"this Redis is {version}; {OLDEST[0]}.{OLDEST[1]} or newer is needed (LMOVE, LPOS)")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    limit = int(info.get("maxmemory", 0))
    # Also where no limit is set yet: one may be set at any time, and then it would be too late to say so.
    if policy != "noeviction":
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
    has_file = bool(int(info.get("aof_enabled", 0)))
    if strict and not (has_file and _version(version) >= CAN_WAIT_FOR_DISK):
        raise StoreUnavailable(
            f"TENFOLD_DURABILITY is strict, but this Redis ({version}, append-only file {'on' if has_file else 'off'}) "
            "cannot say when the disk has a write; 7.2 or newer with appendonly yes can (without it, a crash of the "
            "machine may lose the last second)"
        )
    if not has_file:
        return ["Redis has no append-only file: a crash of Redis loses what is queued (set appendonly yes)"]
    return []


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])
