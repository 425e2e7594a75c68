"""How the services log to stderr: lines for people, or with ``TENFOLD_LOG_FORMAT=json`` an object a line for machines.

Ids (request, job, batch, worker) come as ``extra`` of a call and become fields of the object.
"""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

PLAIN: Final = "%(asctime)s %(levelname)s %(message)s"
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """An object a line: ``at``, ``level``, ``logger``, ``message``, what was given as ``extra``, and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line without its end."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and name not in line}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


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
