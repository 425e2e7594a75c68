"""The scheduler's ear: the event stream, read with a wait that ends on time.

Redis looks at the timeouts of blocked clients only when its loop wakes, on an idle server ten times a second: an
``XREAD BLOCK 5`` that nothing answers comes back after a hundred milliseconds. So the read is left standing in Redis,
and the wait for its answer is this process's own.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tenfold.contract.codec import decode_event
from tenfold.contract.errors import BadMessage
from tenfold.contract.events import StreamEvent, WorkerLeft
from tenfold.store.connection import BLOCK_S, BytesRedis

READ_AT_ONCE = 512

Read = list[tuple[bytes, StreamEvent]]


class EventReader:
    """Reads one stream from front to back. Not for several threads.

    Args:
        stream: the stream's key.
    """

    def __init__(self, client: BytesRedis, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._connection: Any = None
        self._standing = False

    def read(self, after: bytes, timeout_ms: float) -> Read:
        """Events after ``after``, waiting up to ``timeout_ms`` for the first (0: not at all).

        ``after`` is the last one that this reader gave. Raises redis.exceptions.RedisError.
        """
        try:
            return self._read(after, timeout_ms)
        except (RedisConnectionError, RedisTimeoutError):
            # One lost connection is nothing; the client's own retries then tell whether Redis is away.
            self.close()
            return self._at_once(after)

    def close(self) -> None:
        """Give the connection up, and the read that may stand on it."""
        connection, self._connection, self._standing = self._connection, None, False
        if connection is not None:
            connection.disconnect()
            self._client.connection_pool.release(connection)

    def _read(self, after: bytes, timeout_ms: float) -> Read:
        if not self._standing:
            if timeout_ms <= 0:
                return self._at_once(after)
            self._begin(after)
        if not self._connection.can_read(timeout=max(0.0, timeout_ms) / 1000):
            return []
        reply = self._client.parse_response(self._connection, "XREAD")
        self._standing = False
        return _events(reply)

    def _begin(self, after: bytes) -> None:
        if self._connection is None:
            self._connection = self._client.connection_pool.get_connection()
        block_ms = int(BLOCK_S * 1000)
        self._connection.send_command("XREAD", "COUNT", READ_AT_ONCE, "BLOCK", block_ms, "STREAMS", self._stream, after)
        self._standing = True

    def _at_once(self, after: bytes) -> Read:
        return _events(self._client.xread({self._stream: after}, count=READ_AT_ONCE))


def _events(reply: Any) -> Read:
    entries = reply[0][1] if reply else []
    return [(entry_id, _event(fields)) for entry_id, fields in entries]


def _event(fields: dict[bytes, bytes]) -> StreamEvent:
    try:
        return decode_event(fields[b"e"])
    except (BadMessage, KeyError):
        # Something that changes nothing, so that its place in the stream is passed.
        return WorkerLeft("")
