"""HTTP/1.1 as uvicorn reads it, but for what never becomes a request: that too gets a problem document."""

from http import HTTPStatus
from secrets import token_hex
from typing import Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.problems import MEDIA_TYPE, Problem

HEAD_BYTES_MAX: Final = 256 * 1024
"""A request line and its headers, in bytes, to the nearest read. The parser itself would take any number of them."""

_UNREADABLE: Final = "this is no HTTP/1.1 request; its line may have 64 KiB, and its method must be a known one"
_TOO_LARGE: Final = f"the request line and its headers have more than {HEAD_BYTES_MAX} bytes"


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """What came next. Closes the connection where a head goes on for too long."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", _TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request line begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """The last header was read."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are always the same
        """What came cannot be read as HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed_request", _UNREADABLE)

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self.transport.is_closing():
            return
        request_id = token_hex(8)
        body = msgspec.json.encode(
            Problem(f"urn:tenfold:problem:{code}", status.phrase, status, detail, "", code, request_id)
        )
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()
