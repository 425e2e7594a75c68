"""What every request gets, whatever becomes of it: an id, headers that close holes, one log line, its count."""

import logging
import re
import time
from http import HTTPStatus
from secrets import token_hex
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.metrics import Metrics
from tenfold.logs import about

access = logging.getLogger("gateway.access")
log = logging.getLogger(__name__)

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# What each open dashboard reads every second; a refusal is told all the same.
_LOOKS: Final = frozenset(
    {
        "/",
        "/dashboard/{name}",
        "/v1/queues",
        "/v1/workers",
        "/v1/models",
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/trace",
    }
)
_ERRORS_FROM: Final = 400
_ID_CHARACTERS_MAX: Final = 64
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Envelope:
    """ASGI middleware around the whole application. Plain ASGI, so that a route still sees its client go away."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing = UNTRACED) -> None:
        self.app = app
        self.metrics = metrics
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self.tracing)
        with about(request_id=exchange.request_id):
            try:
                await self.app(scope, receive, exchange.send)
            except Exception as error:  # noqa: BLE001 - nobody else catches it, and it is told
                exchange.tell(error)
                if not exchange.status:
                    await problems.answer(Request(scope), error)(scope, receive, exchange.send)
            finally:
                exchange.account(self.metrics)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, tracing: Tracing) -> None:
        self.scope = scope
        self.request_id = _request_id(scope)
        self.status = 0
        self._send = send
        self._tracing = tracing
        self._began_s = time.perf_counter()
        scope["tenfold.request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["x-request-id"] = self.request_id
            headers.setdefault("x-content-type-options", "nosniff")
            headers.setdefault("referrer-policy", "no-referrer")
            self._tracing.answered(self.scope)
        await self._send(message)

    def tell(self, error: Exception) -> None:
        """Log what nobody caught: a bug with its trace, what is foreseen (Redis goes while a stream runs) in a line."""
        if problems.status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request %s failed", self.request_id, exc_info=error, extra=self.ids())
        else:
            log.warning("request %s broke off: %s", self.request_id, error, extra=self.ids())

    def ids(self) -> dict[str, str]:
        """The job or the run of values that it was about, as far as is known: the one made, or the one in its path."""
        path = self.scope.get("path_params", {})
        found = {name: self.scope.get(f"tenfold.{name}") or path.get(f"{name}_id") for name in ("job", "run")}
        return {name: str(value)[:_ID_CHARACTERS_MAX] for name, value in found.items() if value}

    def account(self, metrics: Metrics) -> None:
        took_s = time.perf_counter() - self._began_s
        route = getattr(self.scope.get("route"), "path", "") or "(none)"
        method = self.scope["method"] if self.scope["method"] in _METHODS else "OTHER"
        metrics.count(method, route, self.status, took_s, self.scope.get("tenfold.code", ""))
        quiet = route in _PROBES or (route in _LOOKS and method in {"GET", "HEAD"} and self.status < _ERRORS_FROM)
        level = logging.DEBUG if quiet else logging.INFO
        if not access.isEnabledFor(level):
            return
        line = {
            "request_id": self.request_id,
            "client": self.scope.get("tenfold.client", ""),
            "method": self.scope["method"],
            "path": self.scope["path"],
            "status": self.status,
            "ms": round(took_s * 1000, 1),
        }
        if code := self.scope.get("tenfold.code"):
            line["code"] = code
        line |= self.ids()
        text = f"{line['method']} {line['path']!r} {self.status} in {line['ms']} ms, request {self.request_id}"
        access.log(level, "%s", text, extra=line)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _SANE_ID.fullmatch(text) else token_hex(8)
    return token_hex(8)
