from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.models.checkpoints import foreign, hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by Linux' /proc")

ROOT = Path(__file__).parents[4]
MEMORY_GROWN_MIB_MAX = 256
CPU_S_MAX = 30


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of reading each harmful file, in one process of its own that an audit hook watches."""
    folder, files = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("files")
    names = {f"{index:03}.pt": name for index, name in enumerate(hostile.HARMFUL)}
    for file, name in names.items():
        (files / file).write_bytes(hostile.HARMFUL[name]())
    foreign.write(folder / "well.pt", "yolov8")
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("reading.py"), files, folder / "well.pt"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    exploded = [str(path) for path in (*folder.rglob("exploded"), *files.rglob("exploded"))]
    return {names[each["name"]]: each | {"exploded": exploded} for each in told}


def test_there_are_fifty_and_more() -> None:
    """The collection of harmful checkpoints is as large as was promised."""
    assert len(hostile.HARMFUL) >= 50


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", hostile.HARMFUL)
def test_a_harmful_checkpoint_is_refused_with_a_sentence(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    """It is refused by what is wrong with it, nothing of it runs, and it takes neither much memory nor long."""
    outcome = outcomes[name]
    assert outcome["message"]
    assert "Traceback" not in outcome["message"]
    assert len(outcome["message"]) < 600
    assert outcome["heard"] == []
    assert outcome["exploded"] == []
    assert outcome["grown_mib"] < MEMORY_GROWN_MIB_MAX
    assert outcome["cpu_s"] < CPU_S_MAX


@pytest.mark.parametrize("name", [name for name in hostile.HARMFUL if name.startswith("calls ") and "." in name])
def test_a_name_that_runs_something_is_refused_by_its_name(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    """The refusal says which name the file speaks of."""
    called = name.removeprefix("calls ")
    assert called.replace(" ", ".") in outcomes[name]["message"] or "nothing of it was run" in outcomes[name]["message"]
