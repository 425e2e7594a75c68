"""`docker compose up`, on a real engine: skipped, with the reason, where none answers."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tenfold.settings import NAMES, variable
from tenfold.tracing.starting import ENDPOINTS
from tests.system.composing import CHECKOUT, SERVICES, Stack, composed, docker, timed
from tests.system.load import Api
from tests.system.running import eventually

SCENE = CHECKOUT / "examples" / "images" / "scene-1.jpg"
GRACE_S = 30
KILL_THE_WORKER = """
import os, pathlib, signal
for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    words = line.read_bytes().split(b"\\0")
    if b"worker" in words and b"--" not in words:  # docker-init's own line has the command after a --
        os.kill(int(line.parent.name), signal.SIGKILL)
"""

on_an_engine = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_every_setting_that_means_something_in_a_container_is_passed_on() -> None:
    """A TENFOLD_* variable beside the compose file reaches the services; the rest are fixed there or have no use."""
    fixed = {"redis_url", "spool_dir", "host", "port", "open"}
    of_the_supervisor = {"workers", "data_dir"}
    text = (CHECKOUT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^  (TENFOLD_\w+): \$\{\1:-\}$", text, re.MULTILINE))
    assert passed == {variable(name) for name in NAMES} - {variable(name) for name in fixed | of_the_supervisor}


def test_what_asks_for_spans_is_passed_on() -> None:
    """OpenTelemetry's variables for the endpoint, its headers and sampling reach the services."""
    text = (CHECKOUT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^  (OTEL_\w+): \$\{\1:-\}$", text, re.MULTILINE))
    assert passed >= {*ENDPOINTS, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A system as `docker compose up` gives it, with one worker more that is reserved for the most urgent level."""
    with composed() as running:
        yield running


def curl(*args: str) -> dict[str, Any]:
    """The JSON that a curl line of the README gets."""
    told = subprocess.run(["curl", "-sS", "--fail-with-body", *args], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return dict(json.loads(told.stdout))


def boxes(answer: dict[str, Any]) -> Any:
    return answer["results"][0]["detections"]


class TestStack:
    """One composed system, from its first answer to its stop."""

    pytestmark = on_an_engine

    def test_curl_lines_find_the_same_boxes(self, stack: Stack) -> None:
        """A picture sent as a form and as a raw body gives the same objects."""
        url = f"{stack.url}/v1/detect"
        as_form = curl("-F", f"files=@{SCENE}", url)
        as_body = curl("--data-binary", f"@{SCENE}", "-H", "Content-Type: image/jpeg", url)
        assert boxes(as_form)
        assert boxes(as_form) == boxes(as_body)

    def test_only_the_gateways_port_answers_from_outside(self, stack: Stack) -> None:
        """One port of one container is published, on loopback, and the machine's other addresses refuse it."""
        published = [
            (container["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"], int(binding["HostPort"]))
            for container in stack.containers()
            for bindings in container["NetworkSettings"]["Ports"].values()
            for binding in bindings or ()
        ]
        assert published == [("gateway", "127.0.0.1", stack.port)]
        for address in subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split():
            with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
                socket.create_connection((address, stack.port), timeout=3).close()

    @pytest.mark.parametrize("service", SERVICES)
    def test_container_may_do_little(self, stack: Stack, service: str) -> None:
        """No root, no capability, no new privilege, a read-only root file system."""
        (container,) = stack.containers(service)
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert docker("exec", container["Id"], "id", "-u").strip() != "0"

    def test_who_works_inside_has_no_way_out(self, stack: Stack) -> None:
        """The gateway alone is on a network that leads anywhere."""

        def leads_out(container: dict[str, Any]) -> bool:
            names = container["NetworkSettings"]["Networks"]
            return not all(network["Internal"] for network in json.loads(docker("network", "inspect", *names)))

        assert {s for s in SERVICES for container in stack.containers(s) if leads_out(container)} == {"gateway"}

    def test_only_the_worker_has_torch(self, stack: Stack) -> None:
        """The gateway's and scheduler's image holds no torch at all."""
        find = "import importlib.util as u; print(u.find_spec('torch') is not None)"
        has_torch = {
            service: docker("exec", stack.containers(service)[0]["Id"], "python", "-c", find).strip()
            for service in SERVICES
            if service != "redis"
        }
        assert {service for service, has in has_torch.items() if has == "True"} == {"worker"}

    def test_values_are_generated(self, stack: Stack) -> None:
        """The service's second kind of work runs too: ten values within a second."""
        run = curl(
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
            '{"count": 10, "within_s": 1}',
            f"{stack.url}/v1/values/generate",
        )

        def stored() -> int:
            return int(curl(f"{stack.url}/v1/values/runs/{run['id']}")["stored"])

        assert eventually(lambda: stored() == 10, 20)

    def test_containers_say_that_they_are_well(self, stack: Stack) -> None:
        """Every container becomes healthy by its own check."""

        def health() -> dict[str, str]:
            return {c["Name"]: c["State"]["Health"]["Status"] for c in stack.containers()}

        assert eventually(lambda: set(health().values()) == {"healthy"}, 120), health()

    def test_worker_killed_in_the_middle_of_a_job_loses_nothing(self, stack: Stack) -> None:
        """SIGKILL inside the container: the engine starts it again, and the job ends with each result once."""
        api = Api(stack.url)
        job_id = api.submit(200)
        api.until_done(job_id, 20)
        (worker,) = stack.containers("worker")
        # The service itself and not its container: an engine does not restart what was killed through it.
        docker("exec", worker["Id"], "python", "-c", KILL_THE_WORKER)
        assert api.until_final(job_id, 180)["state"] == "succeeded"
        assert [result["index"] for result in api.results(job_id)] == list(range(200))
        assert stack.containers("worker")[0]["RestartCount"] >= 1

    def test_workers_are_scaled_and_reserved(self, stack: Stack) -> None:
        """`--scale worker=3` and the profile `reserved` add workers that announce themselves and share a job."""
        stack.start("--no-recreate", "--scale", "worker=3")
        stack("--profile", "reserved", "up", "--detach", "--no-recreate", "--scale", "worker=3", "worker-urgent")
        assert eventually(lambda: len(stack.workers()) == 4, 400), stack.workers()
        levels = sorted(worker["levels"] for worker in stack.workers())
        assert levels == [[0], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
        api = Api(stack.url)
        job_id = api.submit(200, priority="low")
        assert api.until_final(job_id, 300)["state"] == "succeeded"
        shared = {result["batch"]["worker"] for result in api.results(job_id)}
        # On a slow machine the job ages, and the reserved worker takes a turn of it too.
        assert len([name for name in shared if name.startswith("worker.")]) == 3

    def test_archives_have_a_place_on_disk(self, stack: Stack) -> None:
        """The gateway can write to its spool, which is no memory, and to nothing beside /tmp."""
        (gateway,) = stack.containers("gateway")
        script = "touch /var/spool/tenfold/x && rm /var/spool/tenfold/x && ! touch /opt/venv/x 2>/dev/null && echo fine"
        assert docker("exec", gateway["Id"], "sh", "-c", script).strip() == "fine"
        assert "/var/spool/tenfold" in {mount["Destination"] for mount in gateway["Mounts"]}

    def test_stop_is_orderly_and_the_next_start_knows_everything(self, stack: Stack) -> None:
        """All containers end within the grace and well, none is killed, and work accepted before is done afterwards."""
        api = Api(stack.url)
        done, open_job = api.submit(10), api.submit(200)
        api.until_final(done)
        took_s = timed(stack, "--profile", "reserved", "stop")
        exits = {container["Name"]: container["State"]["ExitCode"] for container in stack.containers()}
        assert set(exits.values()) == {0}, exits
        assert took_s < GRACE_S
        stack.start("--scale", "worker=1")
        assert api.until_final(open_job, 300)["images"]["done"] == 200
        assert len(api.results(done)) == 10


class TestSettings:
    """A system that is told something by its environment."""

    pytestmark = on_an_engine

    def test_passwords_and_settings_reach_the_services(self) -> None:
        """With a password for Redis and a key for clients, both are asked for and the system works."""
        told = {"REDIS_PASSWORD": "between-us", "TENFOLD_API_KEYS": "a:a-long-enough-key"}
        with composed(**told, TENFOLD_MODEL="synthetic:base_ms=5,item_ms=1") as stack:
            assert httpx.get(f"{stack.url}/v1/jobs").status_code == 401
            assert Api(stack.url, "a-long-enough-key").detect(SCENE.read_bytes()).status_code == 200
            (redis,) = stack.containers("redis")
            assert "NOAUTH" in docker("exec", redis["Id"], "redis-cli", "dbsize")


def test_context_holds_only_what_the_images_are_made_of() -> None:
    """Everything is left out of the build unless it is named, so no secret or data folder can slip into an image."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert all(Path(CHECKOUT / rule[1:]).exists() or rule == "!README.md" for rule in rules if rule.startswith("!"))
