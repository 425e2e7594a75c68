"""An ``application/x-www-form-urlencoded`` body: fields, and never a file.

A client's library sends one by itself where a form was given fields and no files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qsl

from gateway.crud.fields import FIELD_BYTES_MAX, FILES, Fields, InvalidField
from tenfold.contract.errors import TooLarge

TEXT_FORM: Final = "application/x-www-form-urlencoded"
PAIRS_MAX: Final = 100


async def read_text_form(body: AsyncIterator[bytes], fields: Fields) -> None:
    """Add the pairs of ``body`` to ``fields``.

    Raises:
        TooLarge: it is longer than one field of any form may be (``body_too_large``).
        InvalidField: it is no such form, names a file (``no_images``), or as :meth:`Fields.add` raises.
    """
    text = bytearray()
    async for chunk in body:
        text += chunk
        if len(text) > FIELD_BYTES_MAX:
            raise TooLarge(f"a form without files has at most {FIELD_BYTES_MAX} bytes", code="body_too_large")
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=PAIRS_MAX)
    except ValueError:
        raise InvalidField("body", f"the body is no {TEXT_FORM} of at most {PAIRS_MAX} fields") from None
    for name, value in pairs:
        if name == FILES:
            raise InvalidField(FILES, f"a {TEXT_FORM} holds no files; send multipart/form-data", code="no_images")
        fields.add(name, value)
