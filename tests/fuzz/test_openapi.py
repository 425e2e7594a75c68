"""Schemathesis over what the service says of itself, where it is installed beside us: it is no part of the project.

``python3 -m venv build/schemathesis && build/schemathesis/bin/pip install schemathesis`` installs it.
"""

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.fuzz.test_bodies import gateway
from tests.integration.gateway.gateway_world import MODEL, BlindBackend, image
from tests.integration.waiting import wait_for

TOOL = Path("build/schemathesis/bin/st")
SECONDS = 300
OPEN_JOBS, ENDED_JOBS = 40, 4
EXCLUDED = ",".join(
    (
        "positive_data_acceptance",  # a schema cannot say which cursors are ours, nor which bytes are a picture
        "use_after_free",  # DELETE of a job cancels it; it stays until its lifetime is over
        "unsupported_method",  # the words of the routes under /v1/values are no keys: 422
        "allow_header_conformance",  # for the same reason
    )
)


class BeatingBackend(BlindBackend):
    """One that lives for as long as the run takes: routes that need a worker have one."""

    def live(self) -> None:
        super().live()
        self.worker.beat(self.info, [])


@pytest.mark.soak
@pytest.mark.timeout(SECONDS * 3)
def test_what_the_service_says_of_itself_is_so(redis_url: str, tmp_path: Path) -> None:
    """Every route keeps to its description, whatever it is sent: statuses, types, shapes, no 5xx."""
    if not TOOL.exists():
        pytest.skip(f"schemathesis is not at {TOOL}")
    with BeatingBackend(redis_url).playing(), gateway(redis_url, tmp_path) as (_, url):
        known = what_there_is(url, tmp_path / "schemathesis.toml")
        checks = ["--checks", "all", "--exclude-checks", EXCLUDED, "--seed", "1"]
        # A request may wait 30 s for its results.
        limits = ["--max-time", str(SECONDS), "--request-timeout", "60"]
        command = [str(TOOL), "--config-file", str(known), "run", f"{url}/openapi.json", *checks, *limits]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:]


def what_there_is(url: str, file: Path) -> Path:
    """Jobs that are open, jobs that ended, and the model, written down for the tool: it would hardly ever guess one."""
    with httpx.Client(base_url=url, timeout=30) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200, "the model")
        opened = [http.post("/v1/jobs?open=1").json()["id"] for _ in range(OPEN_JOBS)]
        for job in opened[::2]:
            assert http.post(f"/v1/jobs/{job}/images", files={"files": image()}).status_code == 202
        ended = [http.post("/v1/jobs", files={"files": image()}).json()["id"] for _ in range(ENDED_JOBS)]
        wait_for(lambda: all(http.get(f"/v1/jobs/{job}").json()["finished_at"] for job in ended), "their results")
    # One in three is whatever the tool comes up with.
    file.write_text(f"""
[dictionaries]
jobs = {{ values = {json.dumps([*opened, *ended])} }}
models = {{ values = {json.dumps([MODEL.name])} }}
first = {{ values = [0] }}
[parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.67 }}
"path.index" = {{ dictionary = "first", probability = 0.67 }}
"path.name" = {{ dictionary = "models", probability = 0.67 }}
""")
    return file
