"""What a gateway tells of its requests to whoever traces them. This tells nobody; `gateway.request_spans` does."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from tenfold.contract.records import Submission

_NOTHING: Final = nullcontext()


class Tracing:
    """No tracing: the same calls, and nothing comes of them."""

    @property
    def telemetry(self) -> TelemetryConfig:
        """What FastAPI is to do of its own."""
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def traceparent(self) -> str:
        """The request's span, where it is sampled; else ""."""
        return ""

    def part(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - nothing is told
        """A part of a request, of this name, that lasts as long as the block."""
        return _NOTHING

    def belongs_to(self, job: Submission) -> None:
        """The request is about ``job``, which an earlier one submitted."""

    def answered(self, scope: Scope) -> None:
        """The answer's head goes out, so what the application knows of the request is known."""

    def stop(self) -> None:
        """Send what is left."""


UNTRACED: Final = Tracing()
