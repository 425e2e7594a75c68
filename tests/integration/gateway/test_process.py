import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.integration.gateway.gateway_process import gateway, resident_bytes
from tests.integration.gateway.gateway_world import KEYS, Backend, image

NOWHERE = "unix:///nowhere/redis.sock"


def packed(kind: str, count: int) -> bytes:
    """An archive of pictures of 8.7 MB that do not shrink."""
    files = {f"{i}.bmp": image((1700, 1700), "BMP")[:54] + Random(i).randbytes(8_670_000) for i in range(count)}
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipping:
            for name, data in files.items():
                zipping.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tarring:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tarring.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_that_is_told_to_stop_ends_well(number: signal.Signals) -> None:
    """It stops in order and says so by its exit status: an engine shows a death by a signal as a failure."""
    with gateway("--redis-url", NOWHERE) as (process, _):
        process.send_signal(number)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--redis-url", NOWHERE, "--host", "0.0.0.0"], "TENFOLD_API_KEYS"),
        ([], "TENFOLD_REDIS_URL"),
        (["--redis-url", NOWHERE, "--port", "http"], "TENFOLD_PORT"),
    ],
)
def test_wrong_settings_stop_it_at_once(flags: list[str], says: str, tmp_path: Path) -> None:
    """Exit status 2 and one line that names what is wrong: also where others could come in without keys."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TENFOLD_")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *flags], capture_output=True, text=True, env=environ, timeout=30, check=False
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_it_starts_without_redis_and_logs_its_requests() -> None:
    """It listens at once whatever Redis does; a request is one line of JSON with its id, where JSON is asked for."""
    with gateway("--redis-url", NOWHERE, TENFOLD_LOG_FORMAT="json") as (process, url):
        reply = httpx.get(f"{url}/v1/jobs", headers={"x-request-id": "me-1"})
        assert reply.status_code == 503
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=10)[1]
    (line,) = [line for line in log.splitlines() if '"me-1"' in line]
    assert '"code":"store_unavailable"' in line
    assert '"status":503' in line


def test_who_waits_is_answered_when_it_stops(redis_url: str) -> None:
    """SIGTERM turns a waiting request into a 202, and the process ends."""
    backend = Backend(redis_url)
    backend.announce()
    with gateway("--redis-url", redis_url, "--model", "toy") as (process, url):
        with httpx.stream("POST", f"{url}/v1/jobs", content=image(), headers={"content-type": "image/jpeg"}) as reply:
            reply.read()
            job = reply.json()
        with httpx.stream("GET", url + job["links"]["events"], timeout=10) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry")
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            list(lines)
        process.wait(60)
        assert time.monotonic() - began_s < 8
    backend.client.close()


def test_its_memory_does_not_grow_with_what_is_sent(redis_url: str) -> None:
    """Uploads pass through in pieces: 200 MB leave at most 32 MiB behind."""
    backend = Backend(redis_url)
    backend.announce()
    files = [("files", (f"{i}.bmp", image((1700, 1700), "BMP"))) for i in range(23)]
    with gateway("--redis-url", redis_url, "--model", "toy") as (process, url), httpx.Client(timeout=60) as http:
        http.post(f"{url}/v1/jobs", files=files[:1])
        before = resident_bytes(process.pid)
        job = http.post(f"{url}/v1/jobs", files=files).json()
        assert job["images"]["total"] == 23
        assert resident_bytes(process.pid) - before < 32 * 2**20
    assert backend.client.strlen(KEYS.blob(job["id"], 22)) == len(files[22][1][1])
    backend.client.close()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_its_memory_does_not_grow_with_archives(redis_url: str, kind: str) -> None:
    """They are spooled or read as they arrive: 70 MB leave at most 32 MiB behind."""
    backend = Backend(redis_url)
    backend.announce()
    small, large = ({"files": ("x", packed(kind, count))} for count in (1, 8))
    with gateway("--redis-url", redis_url, "--model", "toy") as (process, url), httpx.Client(timeout=60) as http:
        http.post(f"{url}/v1/jobs", files=small)
        before = resident_bytes(process.pid)
        job = http.post(f"{url}/v1/jobs", files=large).json()
        assert (job["images"]["total"], job["images"]["failed"]) == (8, 0)
        assert resident_bytes(process.pid) - before < 32 * 2**20
    backend.client.close()
