"""``python -m tests.fuzz.decode_mutants SEED COUNT``: mutated images through the gateway's eyes and the decoder.

In a process of its own, since a decoder that is broken may take it along. Prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from random import Random

import psutil

from gateway.crud.headers import read_header
from inference_worker.decoding import DecodeError, decode_image
from tenfold.contract.errors import RequestError
from tests.fuzz.corpus import images
from tests.fuzz.mutating import mutant

PIXELS_MAX = 4_000_000
ADDRESS_SPACE_BYTES_MAX = 16 * 2**30


def main(seed: int, count: int) -> None:
    """Decode ``count`` mutants; what came of them, the slowest, and how much the process grew meanwhile."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES_MAX, ADDRESS_SPACE_BYTES_MAX))
    random, seeds = Random(seed), images()
    outcomes: Counter[str] = Counter()
    slowest_s, warm_bytes = 0.0, 0
    for number in range(count):
        raw = mutant(random, seeds)
        began_s = time.perf_counter()
        outcomes[_outcome(raw)] += 1
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
        if number == count // 5:
            warm_bytes = psutil.Process().memory_info().rss
    grown = psutil.Process().memory_info().rss - warm_bytes
    print(json.dumps({"outcomes": outcomes, "slowest_s": slowest_s, "grown_bytes": grown}))  # noqa: T201


def _outcome(raw: bytes) -> str:
    """Both views of one file, which must not contradict each other where the decoder finds a picture."""
    try:
        header, refused = read_header(raw, complete=True), ""
    except RequestError as error:
        header, refused = None, error.code
    try:
        _, height, width = decode_image(raw, PIXELS_MAX).shape
    except DecodeError as error:
        return error.code
    if header is None:
        return f"refused by its header as {refused}, but decoded"
    if sorted((header.width, header.height)) != sorted((width, height)):
        return f"{header.width}×{header.height} by its header, {width}×{height} when decoded"
    return "decoded"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
