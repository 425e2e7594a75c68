"""The Lua verbs: one ``.lua`` file each, read once, called by their hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from tenfold.store.connection import AsyncBytesRedis, BytesRedis

_INCLUDE = re.compile(r"^-- @include (\w+)\n", re.MULTILINE)
_FOLDER = files("tenfold.store") / "lua"

Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """A verb's whole source, with what it includes, and its SHA-1, by which Redis knows it."""

    name: str
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """The verb in ``lua/<name>.lua``."""
    source = _INCLUDE.sub(lambda match: _read(match[1]), _read(name))
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def call(client: BytesRedis, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
    """Run a verb and return what it returns; Redis forgets scripts when it restarts, so a miss sends the source."""
    verb = script(name)
    try:
        return client.evalsha(verb.sha, len(keys), *keys, *args)
    except NoScriptError:
        return client.eval(verb.source, len(keys), *keys, *args)


Verb = tuple[str, Sequence[str], Sequence[Argument]]
"""A verb's name, keys and arguments."""


def call_in_turn(client: BytesRedis, *verbs: Verb) -> list[Any]:
    """Run verbs in their order in one round trip. A reply may be the exception that its verb ended with.

    One verb's failure does not keep the next from running: each reply is to be looked at.
    """
    pipe = client.pipeline(transaction=False)
    for name, keys, args in verbs:
        pipe.evalsha(script(name).sha, len(keys), *keys, *args)
    replies = pipe.execute(raise_on_error=False)
    return [
        call(client, *verb) if isinstance(reply, NoScriptError) else reply
        for verb, reply in zip(verbs, replies, strict=True)
    ]


async def call_async(client: AsyncBytesRedis, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
    """:func:`call` for the gateway's client."""
    verb = script(name)
    try:
        return await client.evalsha(verb.sha, len(keys), *keys, *args)
    except NoScriptError:
        return await client.eval(verb.source, len(keys), *keys, *args)


def queue_call(pipeline: Any, name: str, keys: Sequence[str], args: Sequence[Argument]) -> None:
    """Add a verb to a pipeline by its source: within one, a miss could not be mended any more."""
    pipeline.eval(script(name).source, len(keys), *keys, *args)
