"""Verbs that are sent now and answered later: Redis runs them while their sender computes."""

from __future__ import annotations

import threading
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tenfold.store.connection import BytesRedis
from tenfold.store.scripts import Verb, call, script


class Flight:
    """Verbs on their way, sent in their order with its making. Their answers may be read from any thread.

    Whatever goes wrong, in sending too, is an answer, and nothing is sent twice.

    Attributes:
        sent: False where they could not be sent.
    """

    def __init__(self, client: BytesRedis, *verbs: Verb) -> None:
        self._client = client
        self._verbs = verbs
        self._lock = threading.Lock()
        self._connection: Any = None
        self._broken: RedisError | None = None
        self._answers: list[Any] | None = None
        try:
            self._send()
        except RedisError as error:
            self._answers = [error] * len(verbs)
        self.sent = self._answers is None

    def land(self) -> list[Any]:
        """The answer to each verb, or the RedisError that it ended with; waits for what is not there yet."""
        with self._lock:
            if self._answers is None:
                self._answers = self._read()
            return self._answers

    def _send(self) -> None:
        connection = self._client.connection_pool.get_connection()
        commands = [("EVALSHA", script(name).sha, len(keys), *keys, *args) for name, keys, args in self._verbs]
        try:
            connection.send_packed_command(connection.pack_commands(commands))
        except RedisError:
            self._client.connection_pool.release(connection)
            raise
        self._connection = connection

    def _read(self) -> list[Any]:
        answers = [self._read_one() for _ in self._verbs]
        self._client.connection_pool.release(self._connection)
        return [
            self._with_its_source(verb) if isinstance(answer, NoScriptError) else answer
            for verb, answer in zip(self._verbs, answers, strict=True)
        ]

    def _read_one(self) -> Any:
        if self._broken is not None:
            return self._broken
        try:
            return self._connection.read_response()
        except (RedisConnectionError, RedisTimeoutError) as error:
            # redis-py has disconnected it, so that what is still to come is nobody's answer.
            self._broken = error
            return error
        except RedisError as error:
            return error

    def _with_its_source(self, verb: Verb) -> Any:
        try:
            return call(self._client, *verb)
        except RedisError as error:
            return error
