"""``python -m gateway``: one gateway process on uvicorn."""

import argparse
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from gateway.app import create_app
from gateway.crud.tracing import UNTRACED, Tracing
from gateway.protocol import Protocol
from tenfold.command_help import parser_of
from tenfold.contract.errors import SettingsError
from tenfold.logs import configure_logs
from tenfold.settings import Settings, exit_for, load_or_exit
from tenfold.tracing.starting import start_tracing

KEEP_ALIVE_S = 30

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn, but in our words, and who waits for a job is told first when the process stops."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in getattr(self, "servers", []):
            for listening in server.sockets:
                log.info("listens on %s:%s", *listening.getsockname()[:2])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed SIGTERM and SIGINT while it serves, and let that be all: uvicorn would raise them again at its end.

        The process would then die of a signal that it has obeyed: with exit status 143, its last spans unsent.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.gateway.changes.close()  # type: ignore[union-attr]  # always our own application
        await super().shutdown(sockets)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit status. 2 where the settings are wrong or let others in without keys."""
    flags = _parser().parse_args(argv)
    root_path = flags.__dict__.pop("root_path")
    settings = load_or_exit(vars(flags))
    configure_logs(settings.log_level, settings.log_format)
    tracing = _tracing()
    # What it says of its own course; what goes wrong is still told.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        settings.require_safe_address()
        server = _server(settings, root_path, tracing)
    except SettingsError as error:
        exit_for(error)
    server.run()
    tracing.stop()
    return 0 if server.started else 1


def _tracing() -> Tracing:
    spans = start_tracing("gateway")
    if spans is None:
        return UNTRACED
    from gateway.request_spans import RequestSpans

    return RequestSpans(spans)


def _server(settings: Settings, root_path: str, tracing: Tracing) -> _Server:
    return _Server(
        uvicorn.Config(
            create_app(settings, tracing),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=Protocol,
            ws="none",
            lifespan="on",
            root_path=root_path,
            # Addresses behind proxies are ours to judge (TENFOLD_TRUSTED_PROXIES), the access log is our own.
            proxy_headers=False,
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(settings.grace_s)),
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("gateway", "Answer HTTP.", "tenfold gateway --redis-url redis://127.0.0.1:6379/0 --port 9000")
    parser.add_argument("--host", help="address to listen on (TENFOLD_HOST)")
    parser.add_argument("--port", help="port to listen on, 0 takes a free one (TENFOLD_PORT)")
    parser.add_argument("--redis-url", help="the Redis to use (TENFOLD_REDIS_URL)")
    parser.add_argument("--model", help="what a request means that names no model (TENFOLD_MODEL)")
    parser.add_argument(
        "--open", action="store_const", const="true", help="answer everyone, also beyond loopback, without keys"
    )
    parser.add_argument("--root-path", default="", help="the path under which a proxy shows this server")
    return parser


if __name__ == "__main__":
    sys.exit(main())
