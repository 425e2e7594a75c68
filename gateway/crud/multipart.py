"""A ``multipart/form-data`` body as a stream of parts, in the order sent, with nothing gathered.

The framework's own form parser is not used: it spools files to disk, allows a thousand of them, and gives the fields
only when everything has arrived.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tenfold.contract.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

HEADERS_MAX: Final = 8
HEADER_BYTES_MAX: Final = 4096
MEDIA_TYPE: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class PartBegan:
    """A part begins. ``filename`` is None where the part says none."""

    name: str
    filename: str | None
    content_type: str


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The part that began last is complete."""


PartEvent = PartBegan | PartData | PartEnded


def boundary_of(content_type: str) -> bytes:
    """The boundary that a ``multipart/form-data`` content type names.

    Raises:
        InvalidRequest: it names none (``malformed_multipart``).
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _malformed("its content type names no boundary")
    return boundary


async def read_parts(body: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[PartEvent]:
    """The parts of ``body`` as they arrive.

    Raises:
        InvalidRequest: the body is malformed or ends early (``malformed_multipart``).
    """
    reader = _Reader()
    try:
        parser = MultipartParser(
            boundary, reader.callbacks(), max_header_count=HEADERS_MAX, max_header_size=HEADER_BYTES_MAX
        )
        async for chunk in body:
            parser.write(chunk)
            for event in reader.taken():
                yield event
    except FormParserError as error:
        raise _malformed(str(error)) from None
    if not reader.ended:
        raise _malformed("it ends before its closing boundary")


def _malformed(why: str) -> InvalidRequest:
    return InvalidRequest(f"the multipart body cannot be read: {why}", code="malformed_multipart")


class _Reader:
    """Collects the parser's callbacks as events; it holds what one chunk of the body gave."""

    def __init__(self) -> None:
        self.ended = False
        self._events: list[PartEvent] = []
        self._headers: dict[str, str] = {}
        self._field = bytearray()
        self._value = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def taken(self) -> list[PartEvent]:
        events, self._events = self._events, []
        return events

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part has no Content-Disposition: form-data; name=…")
        filename = options.get(b"filename")
        self._events.append(
            PartBegan(
                options[b"name"].decode("utf-8", "replace"),
                None if filename is None else filename.decode("utf-8", "replace"),
                self._headers.get("content-type", ""),
            )
        )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(PartEnded())

    def _on_end(self) -> None:
        self.ended = True
