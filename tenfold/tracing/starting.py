"""Whether spans are asked for, by OpenTelemetry's own variables; and the start of what sends them."""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tenfold.tracing.spans import Spans

log = logging.getLogger("tenfold.tracing")

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL: Final = "http/protobuf"
MISSING: Final = "pip install 'tenfold[otel]'"


def endpoint(environ: MutableMapping[str, str]) -> str:
    """Where spans are to go, "" where nobody asks for them."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    if environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return ""
    return _first(environ, ENDPOINTS)


def start_tracing(service: str, instance: str = "", environ: MutableMapping[str, str] | None = None) -> Spans | None:
    """Begin to send spans as ``service``, or None where that is not asked for, or cannot be: the log says why.

    ``instance`` tells processes of one service apart. These variables are often set for a whole machine or cluster, so
    what is missing for them keeps no service from serving.
    """
    environ = os.environ if environ is None else environ
    where = endpoint(environ)
    if not where:
        return None
    protocol = _first(environ, PROTOCOLS) or PROTOCOL
    if protocol != PROTOCOL:
        log.warning("no spans are sent: %s is asked for, and only %s is spoken", protocol, PROTOCOL)
        return None
    _drop_empty(environ)
    try:
        from tenfold.tracing.spans import sending
    except ImportError as error:
        log.warning("no spans are sent to %s: %s; %s", where, error, MISSING)
        return None
    try:
        spans = sending(f"tenfold-{service}", instance)
    except ValueError as error:
        log.warning("no spans are sent to %s: an OTEL_* variable cannot be read: %s", where, error)
        return None
    log.info("spans go to %s", where)
    return spans


def _first(environ: MutableMapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _drop_empty(environ: MutableMapping[str, str]) -> None:
    """An empty variable is one that was not given: compose passes ``${X:-}`` so, and not all of the SDK sees it so."""
    for name in [name for name, value in environ.items() if name.startswith("OTEL_") and not value.strip()]:
        del environ[name]
