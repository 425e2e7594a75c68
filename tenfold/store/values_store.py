"""What the gateway does with values: begin runs, look at them, and read, store and delete what was stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.contract.codec import encode_event
from tenfold.contract.errors import Unavailable
from tenfold.contract.events import ValuesRequested
from tenfold.store.connection import AsyncBytesRedis
from tenfold.store.keys import RQ_WORKER_PREFIX, Keys
from tenfold.store.scripts import Argument, call_async
from tenfold.store.values_run import RUN_FIELDS, RunView, decode_failure

SLICE = 1_000
"""Values that one step reads or deletes at most, so that Redis never stops for long."""

SLICE_BYTES = 4 * 2**20
"""Bytes of values that one step reads at most, one value aside."""

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """Values chosen at random: the first ones read, and the keys of those that are still to be read."""

    read: Values
    rest: Sequence[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Values in the order of their keys' bytes; ``last`` is where the next page goes on, None at the end."""

    read: Values
    last: str | None


@dataclass(frozen=True, slots=True)
class ValuesWorkerView:
    """A living values worker.

    Attributes:
        host, pid: where it runs, as RQ knows it; None where RQ's record is gone.
        joined_ms: since when it lives. beat_ms: when it was last heard of. Both on Redis' clock.
    """

    name: str
    host: str | None
    pid: int | None
    joined_ms: float
    beat_ms: float


@dataclass(frozen=True, slots=True)
class ValuesStanding:
    """The values at one moment.

    Attributes:
        now_ms: that moment, on Redis' clock.
        stored: how many there are.
        to_come: how many wait for their moment. queued: how many are due and in the RQ queue.
        oldest_due_ms: when the first one of these was due.
    """

    now_ms: float
    stored: int
    to_come: int
    queued: int
    oldest_due_ms: float | None
    workers: Sequence[ValuesWorkerView]


@dataclass(frozen=True, slots=True)
class ValuesStore:
    """The gateway's side of the values.

    Attributes:
        stored_bytes_max: bytes of all values with their keys.
        waiting_max: how many values may wait to be generated.
        run_ttl_s: how long a final run is kept.
    """

    client: AsyncBytesRedis
    keys: Keys
    stored_bytes_max: int
    waiting_max: int
    run_ttl_s: int

    async def generate(self, run_id: str, client: str, window_ms: float, due_ms: Sequence[float]) -> float:
        """Begin a run whose values are due ``due_ms`` after now; when it began, on Redis' clock.

        Raises:
            Unavailable: too many values wait already (``values_queue_full``).
        """
        k = self.keys
        event = encode_event(ValuesRequested(run_id))
        head: list[Argument] = ["", run_id, client, window_ms, self.run_ttl_s, event, self.waiting_max]
        verdict, *told = await self._call(
            "values_generate", [k.run(run_id), k.values_due, k.values_queued, k.events], [*head, *due_ms]
        )
        if verdict == b"ok":
            return float(told[0])
        waiting, room_ms = told
        raise Unavailable(
            f"{waiting} values wait to be generated; {len(due_ms)} more pass the service's bound of {self.waiting_max}",
            code="values_queue_full",
            retry_after_s=float(room_ms or 1000) / 1000,
        )

    async def run(self, run_id: str) -> RunView | None:
        """A run as it stands, or None."""
        pipe = self.client.pipeline()
        pipe.hmget(self.keys.run(run_id), list(RUN_FIELDS))
        pipe.lrange(self.keys.run_errors(run_id), 0, -1)
        fields, errors = await pipe.execute()
        return RunView.of(run_id, fields, [decode_failure(error) for error in errors])

    async def total(self) -> int:
        """How many values there are."""
        return int(await self.client.zcard(self.keys.values))

    async def standing(self, lost_after_ms: float) -> ValuesStanding:
        """How many values there are, wait and are due, and which values workers beat within ``lost_after_ms``."""
        k = self.keys
        pipe = self.client.pipeline(transaction=False)
        pipe.time()
        pipe.zcard(k.values)
        pipe.zcard(k.values_due)
        pipe.zcard(k.values_queued)
        pipe.zrange(k.values_queued, 0, 0, withscores=True)
        pipe.zrange(k.values_beats, 0, -1, withscores=True)
        pipe.hgetall(k.values_workers)
        (seconds, micros), stored, to_come, queued, oldest, beats, joined = await pipe.execute()
        now_ms = float(seconds * 1000 + micros / 1000)
        living = {name: float(beat) for name, beat in beats if name in joined and beat >= now_ms - lost_after_ms}
        workers = [
            ValuesWorkerView(name.decode(), host, pid, float(joined[name]), living[name])
            for name, (host, pid) in (await self._places_of(sorted(living))).items()
        ]
        oldest_due_ms = float(oldest[0][1]) if oldest else None
        return ValuesStanding(now_ms, int(stored), int(to_come), int(queued), oldest_due_ms, workers)

    async def _places_of(self, names: Sequence[bytes]) -> dict[bytes, tuple[str | None, int | None]]:
        if not names:
            return {}
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(RQ_WORKER_PREFIX + name.decode(), ["hostname", "pid"])
        told = await pipe.execute()
        return {
            name: (host and host.decode(), None if pid is None else int(pid))
            for name, (host, pid) in zip(names, told, strict=True)
        }

    async def sample(self, count: int) -> Sample:
        """Up to ``count`` values at random, each at most once."""
        keys, values = await self._call(
            "values_sample", [self.keys.values, self.keys.value_prefix], [count, SLICE, SLICE_BYTES]
        )
        return Sample(_pairs(keys, values), [key.decode() for key in keys[len(values) :]])

    async def read(self, keys: Sequence[str]) -> Sample:
        """The values of the first of ``keys``, without those that are gone, and the keys that are still to be read."""
        some = keys[:SLICE]
        values = await self._call("values_read", [self.keys.value_prefix], [SLICE_BYTES, *some])
        return Sample(_pairs([key.encode() for key in some], values), keys[len(values) :])

    async def page(self, after: str | None) -> Page:
        """Values whose keys follow ``after`` (None: from the first on).

        A value that stays is met once, whatever else comes and goes.
        """
        keys, values, more = await self._call(
            "values_page", [self.keys.values, self.keys.value_prefix], [_from(after), SLICE, SLICE_BYTES]
        )
        return Page(_pairs(keys, values), keys[-1].decode() if more else None)

    async def get(self, key: str) -> str | None:
        """One value, or None."""
        value: bytes | None = await self.client.get(self.keys.value_prefix + key)
        return None if value is None else value.decode()

    async def put(self, key: str, value: str) -> bool:
        """Store one value; whether there was none under ``key``.

        Raises:
            Unavailable: there is no room for it (``values_full``).
        """
        verdict: bytes = await self._call("values_put", self._stored, [key, value, self.stored_bytes_max])
        if verdict == b"full":
            raise Unavailable(
                f"the stored values have reached {self.stored_bytes_max} bytes; delete some, or raise "
                "TENFOLD_STORED_VALUES_BYTES_MAX",
                code="values_full",
            )
        return verdict == b"created"

    async def delete(self, key: str) -> str | None:
        """Delete one value; what it was, or None."""
        value: bytes | None = await self._call("values_delete", self._stored, [key])
        return None if value is None else value.decode()

    async def delete_random(self, count: int) -> int:
        """Delete up to ``count`` values at random; how many."""
        return int(await self._call("values_drop_random", self._stored, [count]))

    async def delete_all(self) -> int:
        """Delete every value that is there now; how many. What is stored meanwhile may go or stay."""
        after: str | None = None
        deleted = 0
        while True:
            dropped, last = await self._call("values_drop_slice", self._stored, [_from(after), SLICE])
            deleted += int(dropped)
            if not last:
                return deleted
            after = last.decode()

    @property
    def _stored(self) -> list[str]:
        return [self.keys.values, self.keys.totals, self.keys.value_prefix]

    async def _call(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        return await call_async(self.client, name, keys, args)


def _from(after: str | None) -> str:
    return "-" if after is None else f"({after}"


def _pairs(keys: Sequence[bytes], values: Sequence[bytes | None]) -> Values:
    return {key.decode(): value.decode() for key, value in zip(keys, values, strict=False) if value is not None}
