"""`python -m scheduler.simulate`, which `tenfold simulate` runs."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scheduler.simulate.__main__ import main

WORKLOAD = """
about = "two people"
until_ms = 5000
[device]
base_ms = 5
item_ms = 10
[[workers]]
levels = [0]
[[workers]]
levels = [0, 1, 2]
[[arrivals]]
client = "ann"
images = 30
repeat = 2
every_ms = 100
[[arrivals]]
client = "bob"
rate_per_s = 5
until_ms = 2000
priority = "high"
"""


def test_a_preset_gives_figures_for_each_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the figures of all four policies come as one JSON document."""
    assert main(["interactive+bulk", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    waits = {run["policy"]: run["waits_ms"]["single"]["p99"] for run in data["policies"]}
    assert set(waits) == {"fifo", "strict", "sjf", "mlfq"}
    assert waits["mlfq"] < waits["strict"] < waits["fifo"]


def test_a_workload_file_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A TOML file names the device, the workers and who sends what."""
    path = tmp_path / "mine.toml"
    path.write_text(WORKLOAD)
    assert main([str(path), "--policy", "mlfq", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["policies"][0]
    assert run["waits_ms"]["bulk"]["jobs"] == 2
    assert run["unfinished"] == {}


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json there is a table with a line for each policy asked for."""
    assert main(["burst", "--policy", "fifo", "--policy", "mlfq"]) == 0
    out = capsys.readouterr().out
    assert "fifo" in out
    assert "mlfq" in out
    assert "sjf" not in out


def test_the_timeline_is_an_svg_with_every_worker(tmp_path: Path) -> None:
    """--timeline draws a band for each policy and a row for each worker."""
    path = tmp_path / "pictures" / "gpu.svg"
    assert main(["gpu", "--policy", "mlfq", "--timeline", str(path), "--until-ms", "100"]) == 0
    texts = [node.text for node in ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")]
    assert {"mlfq", "w0", "w1", "level 0"} <= set(texts)


@pytest.mark.parametrize("content", ["nonsense", "[[arrivals]]\nimage = 3", "[device]\nspeed = 1", ""])
def test_a_wrong_workload_file_is_wrong_usage(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2 and the message names the file."""
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    assert main([str(path)]) == 2
    assert "wrong.toml" in capsys.readouterr().err


def test_an_unknown_preset_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists what there is."""
    assert main(["rush hour"]) == 2
    assert "interactive+bulk" in capsys.readouterr().err
