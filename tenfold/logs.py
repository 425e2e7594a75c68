"""How the services log to stderr: lines for people, or with ``TENFOLD_LOG_FORMAT=json`` an object a line for machines.

Ids (request, job, batch) become fields of the object: those given as ``extra`` of a call, and those of what is being
done at the time, which :func:`about` names once for every line within, whoever writes it.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TextIO

import msgspec

PLAIN: Final = "%(asctime)s %(levelname)s %(message)s"
_FIRST: Final = frozenset({"at", "level", "logger", "message"})
_NOT_EXTRA: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"} | _FIRST

_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=MappingProxyType({}))


@contextlib.contextmanager
def about(**ids: object) -> Iterator[None]:
    """What is done within concerns ``ids``: each line of this thread or task has them as fields."""
    before = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(before)


class JsonLines(logging.Formatter):
    """An object a line: ``at``, ``level``, ``logger``, ``message``, ids that it is about, ``extra``, and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line without its end."""
        line: dict[str, object] = {
            "at": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about.get(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _NOT_EXTRA}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class JsonStream:
    """All processes' lines in one stream of objects, each with its ``service``; what is no object becomes one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, name: str, line: str) -> None:
        """Write ``line`` as said by ``name``."""
        try:
            told = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            told = {"at": _moment(time.time()), "level": "info", "logger": "tenfold.up", "message": line}
        self._stream.write(msgspec.json.encode({"service": name, **told}).decode() + "\n")
        self._stream.flush()


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class PlainLines(logging.Formatter):
    """A line for people, its time in UTC."""

    def __init__(self) -> None:
        super().__init__(PLAIN)
        self.converter = time.gmtime


def configure_logs(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send everything from ``level`` on to ``stream`` (stderr); ``form`` is "text" or "json"."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
