"""Values: begin runs of them, look at runs, and read, store and delete what was stored."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Annotated, Final

import msgspec

from gateway.crud.clients import Client
from gateway.crud.fields import InvalidField
from gateway.crud.jobs import is_job_id, iso
from tenfold.contract.errors import NotFound, TooLarge
from tenfold.contract.records import ValueFailure
from tenfold.contract.states import RunState
from tenfold.store.values_run import RunView
from tenfold.store.values_store import Sample, ValuesStore
from tenfold.store.written import not_durable, until_written

COUNT_MAX: Final = 10_000
WITHIN_S_MIN: Final = 0.1
WITHIN_S_MAX: Final = 3600.0
DUE_SHARE: Final = 0.95
"""The part of the window over which values are due; the rest is for making the last ones."""

DELETED_AT_RANDOM_MAX: Final = 10
KEY_BYTES_MAX: Final = 1024
WORDS: Final = frozenset({"generate", "random", "runs", "total"})
_SAMPLE_MAX: Final = 2**31


class GenerateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many values to generate, and within how many seconds."""

    count: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] = 50
    within_s: Annotated[float, msgspec.Meta(ge=WITHIN_S_MIN, le=WITHIN_S_MAX)] = 10.0


class PutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value to store."""

    value: str


class RunBody(msgspec.Struct, frozen=True):
    """A run on the wire."""

    id: str
    state: RunState
    requested: int
    stored: int
    late: int
    failed: int
    started_at: str
    finished_at: str | None
    errors: list[ValueFailure]


class ValueBody(msgspec.Struct, frozen=True):
    """One value on the wire."""

    key: str
    value: str


class ValuesBody(msgspec.Struct, frozen=True):
    """Some values on the wire."""

    count: int
    data: dict[str, str]


class ValuesPage(ValuesBody, frozen=True):
    """Some of all values, in the order of their keys; ``next_cursor`` is null on the last page."""

    next_cursor: str | None


class TotalBody(msgspec.Struct, frozen=True):
    """How many values there are."""

    count: int


class DeletedAtRandom(msgspec.Struct, frozen=True):
    """How many values were to be deleted, and how many were."""

    requested: int
    deleted: int


class Deleted(msgspec.Struct, frozen=True):
    """How many values were deleted."""

    deleted: int


def draw_moments(count: int, within_s: float, random: Random) -> list[float]:
    """When each of ``count`` values is due: milliseconds from now, uniform over the window's first 95 %, sorted."""
    last_ms = DUE_SHARE * within_s * 1000
    return sorted(random.uniform(0, last_ms) for _ in range(count))


def check_key(key: str) -> None:
    """Raise InvalidField unless ``key`` can be a value's key: any text without ``/`` but the words of the routes."""
    if not key:
        raise InvalidField("key", "the key is empty", code="invalid_key")
    # A router's pattern takes a line's end for the end, so that `total` and a newline would read as the word.
    if key.removesuffix("\n") in WORDS:
        raise InvalidField("key", f"{key!r} is a word of these routes and no key", code="invalid_key")
    if "/" in key:
        raise InvalidField("key", "a key has no '/'", code="invalid_key")
    if len(key.encode()) > KEY_BYTES_MAX:
        raise InvalidField("key", f"a key has at most {KEY_BYTES_MAX} bytes of UTF-8", code="invalid_key")


@dataclass(frozen=True, slots=True)
class Values:
    """What clients do with values.

    Attributes:
        random: where moments and numbers are drawn from.
        value_bytes_max: bytes that one value may have.
        root: what this server's paths begin with ("" unless a proxy mounts it elsewhere).
    """

    store: ValuesStore
    random: Random
    value_bytes_max: int
    root: str = ""

    async def generate(self, wanted: GenerateRequest, client: Client) -> RunBody:
        """Begin a run; from here on it goes on by itself.

        Raises:
            Unavailable: too many values wait already, or Redis crashed before its file held the run (``not_durable``).
        """
        moments = draw_moments(wanted.count, wanted.within_s, self.random)
        run_id = secrets.token_hex(10)
        began_ms = await self.store.generate(run_id, client.id, wanted.within_s * 1000, moments)
        await until_written(self.store.client)
        if await self.store.run(run_id) is None:
            raise not_durable("Redis crashed before its file held the run; ask again")
        return RunBody(run_id, RunState.RUNNING, wanted.count, 0, 0, 0, iso(began_ms), None, [])

    def place_of(self, run: RunBody) -> str:
        """The path of a run on this server."""
        return f"{self.root}/v1/values/runs/{run.id}"

    async def run(self, run_id: str, client: Client) -> RunBody:
        """A run as it stands. Raises NotFound where there is none, or it is another key's."""
        view = await self.store.run(run_id) if is_job_id(run_id) else None
        if view is None or not client.owns(view.client):
            raise NotFound(f"there is no run {run_id[:64]!r}; it may have passed its lifetime", code="run_not_found")
        return _describe(view)

    async def total(self) -> TotalBody:
        """How many values there are."""
        return TotalBody(await self.store.total())

    async def sample(self, count: int) -> Sample:
        """Up to ``count`` values at random; those that are many or large are still to be read, by :meth:`pieces`."""
        return await self.store.sample(min(count, _SAMPLE_MAX))

    async def pieces(self, sample: Sample) -> AsyncIterator[bytes]:
        """The JSON of a sample that is too large to hold, piece by piece; its ``count`` comes last."""
        count, lead = 0, b'{"data":{'
        while True:
            for key, value in sample.read.items():
                yield lead + msgspec.json.encode(key) + b":" + msgspec.json.encode(value)
                count, lead = count + 1, b","
            if not sample.rest:
                break
            sample = await self.store.read(sample.rest)
        yield (b"" if count else lead) + b'},"count":%d}' % count

    async def page(self, cursor: str | None) -> ValuesPage:
        """Some of all values, in the order of their keys. Raises InvalidField where the cursor is none of ours."""
        page = await self.store.page(read_cursor(cursor))
        return ValuesPage(len(page.read), page.read, None if page.last is None else write_cursor(page.last))

    async def get(self, key: str) -> ValueBody:
        """One value. Raises InvalidField and NotFound."""
        check_key(key)
        return _found(key, await self.store.get(key))

    async def put(self, key: str, value: str) -> bool:
        """Store one value; whether the key is new.

        Raises:
            InvalidField: this can be no key.
            TooLarge: the value has more than ``value_bytes_max`` bytes.
            Unavailable: there is no room for it.
        """
        check_key(key)
        if len(value.encode()) > self.value_bytes_max:
            raise TooLarge(f"a value has at most {self.value_bytes_max} bytes of UTF-8", code="value_too_large")
        return await self.store.put(key, value)

    async def delete(self, key: str) -> ValueBody:
        """Delete one value; what it was. Raises InvalidField and NotFound."""
        check_key(key)
        return _found(key, await self.store.delete(key))

    async def delete_random(self) -> DeletedAtRandom:
        """Delete a random number of values, chosen at random; at most as many as there are."""
        requested = self.random.randint(0, DELETED_AT_RANDOM_MAX)
        return DeletedAtRandom(requested, await self.store.delete_random(requested))

    async def delete_all(self) -> Deleted:
        """Delete every value."""
        return Deleted(await self.store.delete_all())


def read_cursor(cursor: str | None) -> str | None:
    """The key after which a page begins, or None at the start. Raises InvalidField."""
    if not cursor:
        return None
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidField("cursor", f"cursor is {cursor[:64]!r}; pass the next_cursor of the page before") from None


def write_cursor(key: str) -> str:
    """The inverse of :func:`read_cursor`."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def _found(key: str, value: str | None) -> ValueBody:
    if value is None:
        raise NotFound(f"there is no value under {key[:64]!r}", code="value_not_found")
    return ValueBody(key, value)


def _describe(view: RunView) -> RunBody:
    return RunBody(
        view.id,
        view.state,
        view.requested,
        view.stored,
        view.late,
        view.failed,
        iso(view.started_ms),
        None if view.finished_ms is None else iso(view.finished_ms),
        view.errors,
    )
