"""Schemathesis over what the service says of itself, where it is installed beside us: it is no part of the project.

``python3 -m venv build/schemathesis && build/schemathesis/bin/pip install schemathesis`` installs it.
"""

import subprocess
from pathlib import Path

import pytest

from tests.fuzz.test_bodies import backend, gateway
from tests.integration.gateway.gateway_world import BlindBackend

TOOL = Path("build/schemathesis/bin/st")
SECONDS = 300
EXCLUDED = ",".join(
    (
        "positive_data_acceptance",  # a schema cannot say which cursors are ours, nor which bytes are a picture
        "use_after_free",  # DELETE of a job cancels it; it stays until its lifetime is over
        "unsupported_method",  # the words of the routes under /v1/values are no keys: 422
        "allow_header_conformance",  # for the same reason
    )
)

__all__ = ["backend"]


@pytest.mark.soak
@pytest.mark.timeout(SECONDS * 3)
def test_what_the_service_says_of_itself_is_so(backend: BlindBackend, redis_url: str, tmp_path: Path) -> None:
    """Every route keeps to its description, whatever it is sent: statuses, types, shapes, no 5xx."""
    if not TOOL.exists():
        pytest.skip(f"schemathesis is not at {TOOL}")
    with gateway(redis_url, tmp_path) as (_, url):
        command = [
            str(TOOL),
            "run",
            f"{url}/openapi.json",
            "--checks",
            "all",
            "--exclude-checks",
            EXCLUDED,
            "--seed",
            "1",
        ]
        # A request may wait 30 s for its results; /readyz says 503 where no worker beats, as here.
        limits = ["--max-time", str(SECONDS), "--request-timeout", "60", "--exclude-path", "/readyz"]
        done = subprocess.run([*command, *limits], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:]
