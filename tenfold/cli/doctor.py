"""`tenfold doctor`: what this machine has, what the settings are and where each came from, and what is wrong."""

import os
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib.util import find_spec

import msgspec
import typer

import tenfold
from tenfold.cli import terminal
from tenfold.contract.errors import TenfoldError
from tenfold.settings import NAMES, Settings, unknown_variables, variable
from tenfold.tracing.starting import MISSING, endpoint

# In a process of its own: the commands never load torch.
_ASK_TORCH = """
import json, torch
names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "devices": names}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok` says whether Tenfold can work with it."""

    what: str
    ok: bool
    said: str


def doctor(as_json: terminal.AsJson = False) -> None:
    """Look at this machine and the settings; status 1 where something would keep Tenfold from working."""
    settings = Settings.load()
    findings = list(_findings(settings))
    if as_json:
        told = {name: {"value": settings.shown(name), "from": settings.sources[name]} for name in NAMES}
        terminal.print_json({"findings": findings, "settings": told})
    else:
        _show(settings, findings)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("tenfold", True, f"{tenfold.__version__}, Python {sys.version.split()[0]}")
    yield _redis(settings)
    if settings.redis_url is None:
        yield _data_dir(settings)
    yield _torch(settings)
    yield _address(settings)
    yield from traces(os.environ)
    for name, near in unknown_variables(os.environ).items():
        yield Finding("environment", False, f"{name} is no setting" + (f"; {near}?" if near else ""))


def _redis(settings: Settings) -> Finding:
    from tenfold.redis_server import find_server, require_answer

    try:
        if settings.redis_url is None:
            return Finding("redis", True, f"would start {find_server()}")
        return Finding("redis", True, f"{settings.shown('redis_url')} answers: {require_answer(settings.redis_url)}")
    except TenfoldError as error:
        return Finding("redis", False, str(error))


def _data_dir(settings: Settings) -> Finding:
    from tenfold.preflight import require_room

    try:
        return Finding("data", True, f"{settings.data_dir} has {require_room(settings.data_dir) / 2**30:.1f} GiB free")
    except TenfoldError as error:
        return Finding("data", False, str(error))


def _torch(settings: Settings) -> Finding:
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("torch", False, "does not load within two minutes")
    if asked.returncode != 0:
        said = asked.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        return Finding("torch", False, f"does not load ({said[0]}); workers need it: pip install 'tenfold[worker]'")
    told = msgspec.json.decode(asked.stdout)
    devices = ", ".join(told["devices"]) or "no CUDA device"
    wants_cuda = settings.device.startswith("cuda")
    return Finding(
        "torch", not (wants_cuda and not told["devices"]), f"{told['version']}, {told['threads']} threads, {devices}"
    )


def _address(settings: Settings) -> Finding:
    from tenfold.local import address_of, free_port

    url = address_of(settings)
    try:
        settings.require_safe_address()
        with terminal.connect(url, None) as client:
            if client.is_ready():
                return Finding("address", True, f"a Tenfold is ready at {url}")
        free_port(settings.host, settings.port)
    except TenfoldError as error:
        return Finding("address", False, str(error))
    return Finding("address", True, f"{url} is free")


def traces(environ: MutableMapping[str, str]) -> Iterator[Finding]:
    """Where spans go, if anybody asked for them. They keep nothing from working, so nothing here is wrong."""
    where = endpoint(environ)
    if not where:
        return
    # Of a parent that is not there, nothing can be asked.
    there = find_spec("opentelemetry") and find_spec("opentelemetry.exporter")
    yield Finding("traces", True, f"spans go to {where}" if there else f"none go to {where}: {MISSING}")


def _show(settings: Settings, findings: list[Finding]) -> None:
    console = terminal.people()
    for finding in findings:
        console.print(
            f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}: {finding.said}", markup=False, soft_wrap=True
        )
    rows = [(variable(name), settings.shown(name), settings.sources[name]) for name in NAMES]
    console.print(terminal.table("Settings", ("setting", "value", "from"), rows))
