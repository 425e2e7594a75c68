"""Mutated forms, archives and raw bodies against a gateway process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import httpx
import psutil
import pytest

from tests.fuzz.corpus import BOUNDARY, archives, forms, images
from tests.fuzz.mutating import mutant
from tests.integration.gateway.gateway_world import Backend, BlindBackend
from tests.integration.waiting import wait_for

SOAK = os.environ.get("TENFOLD_SOAK") == "1"
COUNT = 2000 if SOAK else 200
STARTS_S = 60.0
GROWN_BYTES_MAX = 64 * 2**20
REFUSED = {400, 408, 409, 413, 415, 422, 429, 503}

FORM = f"multipart/form-data; boundary={BOUNDARY}"
KINDS: dict[str, tuple[Sequence[bytes], Sequence[str]]] = {
    "forms": (forms(), [FORM]),
    "archives": (archives(), ["application/zip", "application/x-tar", "application/gzip"]),
    "images": (images(), ["image/jpeg", "image/png", "image/webp", "image/bmp"]),
}


@pytest.fixture
def backend(redis_url: str) -> Iterator[Backend]:
    # Decoders are tried in a process of their own.
    with BlindBackend(redis_url).playing() as playing:
        yield playing


@contextmanager
def gateway(redis_url: str, folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A gateway process that unpacks in ``folder`` and logs there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flags = ["--port", str(port), "--redis-url", redis_url, "--model", "toy"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *flags],
            env={**os.environ, "TENFOLD_SPOOL_DIR": str(folder)},
            stderr=log,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}")
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def wait_until_up(url: str) -> None:
    end_s = time.monotonic() + STARTS_S
    with httpx.Client(base_url=url) as http:
        while True:
            with suppress(httpx.TransportError):
                if http.get("/healthz").status_code == 200:
                    return
            assert time.monotonic() < end_s, "the gateway did not come"
            time.sleep(0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_no_mutated_body_breaks_the_gateway(backend: Backend, redis_url: str, tmp_path: Path, kind: str) -> None:
    """Each is accepted or refused with a problem document; nothing fails, grows or stays."""
    seeds, types = KINDS[kind]
    random = Random(1)
    outcomes: Counter[int] = Counter()
    with gateway(redis_url, tmp_path) as (process, url), httpx.Client(base_url=url, timeout=30) as http:
        warm_bytes = 0
        open_job = http.post("/v1/jobs?open=1").json()["links"]["self"]
        for number in range(COUNT):
            route = random.choice(routes(kind, open_job))
            headers = {"content-type": random.choice(types)}
            reply = http.post(route, content=mutant(random, seeds), headers=headers)
            outcomes[reply.status_code] += 1
            if reply.status_code not in {200, 202}:
                assert reply.headers["content-type"] == "application/problem+json", f"mutant {number}"
                assert reply.status_code in REFUSED, f"mutant {number}: {reply.text}"
            if number == COUNT // 5:
                warm_bytes = process.memory_info().rss
        assert http.post(f"{open_job}/close").status_code == 200
        assert process.memory_info().rss - warm_bytes < GROWN_BYTES_MAX
        assert outcomes.total() == COUNT
        assert min(outcomes[200] + outcomes[202], outcomes[400] + outcomes[422]) > COUNT // 20, outcomes
        wait_for(lambda: not backend.client.hlen("tenfold:queued") or not unfinished(backend), "the last job")
        alive = [score for _, score in backend.client.zrange("tenfold:uploads", 0, -1, withscores=True) if score]
        assert alive == []
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def routes(kind: str, open_job: str) -> Sequence[str]:
    """Where such bodies go; a form has fields, which an open job does not take with its parts."""
    if kind == "images":
        return ["/v1/detect", f"{open_job}/images"]
    return ["/v1/jobs"] if kind == "forms" else ["/v1/jobs", f"{open_job}/images"]


def unfinished(backend: Backend) -> int:
    return int(backend.client.zcard("tenfold:active"))
