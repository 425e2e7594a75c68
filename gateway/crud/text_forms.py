"""An ``application/x-www-form-urlencoded`` body: fields, and never a file.

A client's library sends one by itself where a form was given fields and no files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qsl

from gateway.crud.fields import FIELD_BYTES_MAX, FILES, Fields, InvalidField

TEXT_FORM: Final = "application/x-www-form-urlencoded"
PAIRS_MAX: Final = 100


async def read_text_form(body: AsyncIterator[bytes], fields: Fields) -> bool:
    """Add the pairs of ``body`` to ``fields``; False where it is no text of a form's length.

    That it may well be: `curl --data-binary @photo.jpg` says of a picture that it is such a form.

    Raises:
        InvalidField: a pair cannot be read, names a file (``no_images``), or as :meth:`Fields.add` raises.
    """
    text = bytearray()
    async for chunk in body:
        text += chunk
        if len(text) > FIELD_BYTES_MAX:
            return False
    try:
        form = text.decode()
    except UnicodeDecodeError:
        return False
    try:
        pairs = parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=PAIRS_MAX)
    except ValueError:
        raise InvalidField("body", f"the body is no {TEXT_FORM} of at most {PAIRS_MAX} fields in UTF-8") from None
    for name, value in pairs:
        if name == FILES:
            raise InvalidField(FILES, f"a {TEXT_FORM} holds no files; send multipart/form-data", code="no_images")
        fields.add(name, value)
    return True
