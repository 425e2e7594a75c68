"""Records and events as JSON bytes with a version, and nothing is ever unpickled.

Stored records start with ``{"v":1,...``: a reader that meets another version says so instead of guessing.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tenfold.contract.errors import BadMessage
from tenfold.contract.events import StreamEvent
from tenfold.contract.records import Record

VERSION = 1
_PREFIX = b'{"v":%d' % VERSION
_encoder = msgspec.json.Encoder()
_events: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)
_decoders: dict[type, msgspec.json.Decoder[Record]] = {}

R = TypeVar("R", bound=Record)


def encode(record: Record) -> bytes:
    """``record`` as one JSON object that begins with its version."""
    body = _encoder.encode(record)
    return _PREFIX + (b"," if body[1:2] != b"}" else b"") + body[1:]


def decode(data: bytes | str, kind: type[R]) -> R:
    """The record in ``data``.

    Raises:
        BadMessage: ``data`` is of another version, or no ``kind``.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    if not raw.startswith(_PREFIX):
        raise BadMessage(
            f"a {kind.__name__} of version {VERSION} begins with {_PREFIX.decode()}, this with {raw[:16]!r}"
        )
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(raw)  # type: ignore[return-value]  # the decoder of `kind` gives a `kind`
    except msgspec.DecodeError as error:
        raise BadMessage(f"no {kind.__name__}: {error}") from error


def encode_event(event: StreamEvent) -> bytes:
    """``event`` as it stands in the stream's field ``e``."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> StreamEvent:
    """The event in ``data``.

    Raises:
        BadMessage: ``data`` is none.
    """
    try:
        return _events.decode(data)
    except msgspec.DecodeError as error:
        raise BadMessage(f"no event: {error}") from error
