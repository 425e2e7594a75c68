"""``Idempotency-Key``: the same request sent again is answered with the same job.

A key is reserved before the body is read, in its client's and route's own space. What is compared is what was asked
for, the fields and each file's SHA-256: a form's boundary differs from try to try.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import msgspec

from gateway.crud.fields import InvalidField, Wishes
from tenfold.contract.errors import Conflict
from tenfold.store.gateway_store import GatewayStore
from tenfold.store.upload_store import Reservation

HEADER: Final = "Idempotency-Key"
ARRIVES_S: Final = 60.0
"""How long the first of several equal requests may take to arrive while the others wait for it."""
LOOK_S: Final = 0.1


def key_digest(route: str, key: str) -> str:
    """What stands for a client's key on one route, of fixed length.

    Raises:
        InvalidField: the key is empty, too long, or not plain text.
    """
    if not re.fullmatch(r"[\x20-\x7e]{1,255}", key):
        raise InvalidField(HEADER, f"{HEADER} takes 1 to 255 printable ASCII characters")
    return hashlib.sha256(f"{route}\0{key}".encode()).hexdigest()


def fingerprint(wishes: Wishes, digests: Sequence[str]) -> str:
    """What was asked for, in short: the fields and each file's digest, in order. A default counts as said."""
    # As a whole: the record's own codec leaves out what was left to the default, but not an equal value that was said.
    asked = {**asdict(wishes), "options": msgspec.structs.asdict(wishes.options)}
    return hashlib.sha256(msgspec.json.encode([asked, list(digests)])).hexdigest()


async def twin_of(store: GatewayStore, key: str, job_id: str, held: Reservation, own: str) -> str:
    """The job that already stands for this request, once it has arrived.

    Args:
        key: the reserved key, as it stands in the store.
        job_id: this request's own upload.
        held: who holds the key.
        own: this request's fingerprint.

    Raises:
        InvalidField: the key stands for another request (``idempotency_key_reused``).
        Conflict: the request that held it came to nothing, or takes too long; this one may be sent again.
    """
    end_s = time.monotonic() + ARRIVES_S
    while not held.fingerprint:
        await asyncio.sleep(LOOK_S)
        again = await store.reserve(key, job_id)
        if again is None or time.monotonic() > end_s:
            raise Conflict(
                f"an equal request with this {HEADER} did not arrive; send it again",
                code="idempotency_key_in_use",
                retry_after_s=1,
            )
        held = again
    if held.fingerprint != own:
        raise InvalidField(
            HEADER, f"this {HEADER} stands for a request with other fields or files", code="idempotency_key_reused"
        )
    return held.job_id
