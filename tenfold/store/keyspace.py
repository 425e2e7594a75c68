"""What every asynchronous store stands on: a connection, and the names of the keys behind it."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.store.connection import AsyncBytesRedis
from tenfold.store.keys import Keys


@dataclass(frozen=True, slots=True)
class AsyncKeyspace:
    """A keyspace in a Redis."""

    client: AsyncBytesRedis
    keys: Keys
