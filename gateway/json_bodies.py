"""JSON bodies, read within a bound and straight into frozen structs."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from fastapi import Request

from gateway.crud.arriving import STALL_S, in_time
from gateway.crud.fields import InvalidField
from tenfold.contract.errors import InvalidRequest, TooLarge

T = TypeVar("T")

_PLACE: Final = re.compile(r" - at `\$\.(\w+)[^`]*`$")
_NAMED: Final = re.compile(r"field `([^`]{0,64})")


async def read_json(
    request: Request, kind: type[T], bytes_max: int, *, empty: T | None = None, stall_s: float = STALL_S
) -> T:
    """The body as a ``kind``; ``empty`` stands for no body at all.

    Raises:
        InvalidRequest: it sends nothing for ``stall_s`` seconds (``upload_stalled``).
        TooLarge: it has more than ``bytes_max`` bytes.
        InvalidField: a field is missing, unknown or outside what is allowed; ``field`` names it.
        InvalidRequest: it is no JSON (``malformed_json``).
    """
    body = bytearray()
    async for chunk in in_time(request.stream(), stall_s):
        body += chunk
        if len(body) > bytes_max:
            raise TooLarge(f"the body has more than the {bytes_max} bytes that are taken here", code="body_too_large")
    if not body and empty is not None:
        return empty
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is no JSON: {error}", code="malformed_json") from None


def _invalid(told: str) -> InvalidRequest:
    place = _PLACE.search(told)
    if place is not None:
        return InvalidField(place[1], f"{place[1]}: {told[: place.start()].replace('Expected', 'expected')}")
    named = _NAMED.search(told)
    if named is not None:
        return InvalidField(named[1], told.replace("Object", "the body"))
    return InvalidRequest(f"the body does not fit: {told}", code="invalid_field")
