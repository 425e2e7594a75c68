"""A tiny HTTP server that answers as DESIGN's routes do, and keeps what it was asked.

It stands for the gateway where a test is about what the client makes of an answer; tests/system holds the same
commands against the real one.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """An answer; bytes go as they are, anything else as JSON."""

    value: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()

    def all_headers(self) -> dict[str, str]:
        kind = "application/problem+json" if self.status >= 400 else "application/json"
        return {"Content-Type": kind, "Content-Length": str(len(self.body())), **self.headers}


@dataclass
class CannedService:
    """Replies by (method, path without query): a list is used up, its last reply stays."""

    replies: dict[tuple[str, str], list["Reply"]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def reply(self, method: str, path: str, *values: Any, status: int = 200) -> None:
        self.replies[(method, path)] = [value if isinstance(value, Reply) else Reply(value, status) for value in values]

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        left = self.replies.get((asked.method, asked.path.partition("?")[0]))
        if left is None:
            return Reply({"title": "Not Found", "status": 404, "detail": asked.path}, 404)
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def canned_service(kind: type[CannedService] = CannedService) -> Iterator[CannedService]:
    service = kind()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = service.answer(Asked(self.command, self.path, dict(self.headers), body))
            self.send_response(reply.status)
            for name, value in reply.all_headers().items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body())

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - names that http.server calls

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def job(state: str = "succeeded", total: int = 1, done: int = 1, failed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": "j1",
        "state": state,
        "model": "demo",
        "priority": "normal",
        "level": 0,
        "images": {"total": total, "done": done, "failed": failed},
        "position": None,
        "eta_ms": None,
        "created_at": "2026-11-23T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "links": {"self": "/v1/jobs/j1"},
        **more,
    }


def found(index: int = 0, name: str = "a.png", label: str = "circle") -> dict[str, Any]:
    return {
        "index": index,
        "name": name,
        "width": 64,
        "height": 48,
        "error": None,
        "attempts": 1,
        "detections": [{"box": [4, 5, 40, 30], "score": 0.93, "class_id": 0, "label": label}],
        "timing": {"queued_ms": 1.0, "decode_ms": 1.0, "inference_ms": 2.0},
        "batch": {"id": "b1", "size": 1, "level": 0, "worker": "w"},
    }


def broken(index: int = 0, name: str = "bad.png") -> dict[str, Any]:
    error = {"code": "invalid_image", "message": "it is no picture"}
    return {**found(index, name), "detections": None, "width": None, "height": None, "error": error}
