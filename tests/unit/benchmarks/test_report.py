import json
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.report import Figure, Report, Section, Table

MACHINE = Machine("a processor", 2, 8.0, "Linux", "3.11", "", {"torch": "2"})


def report() -> Report:
    found = Section("Serving", "What it is.")
    found.tables.append(Table("Rows", ("a", "b"), [("1", "2")], ("a note",)))
    found.figures.append(Figure("a ratio", "≥ 0.90", "0.95", met=True))
    found.figures.append(Figure("another", "≤ 2", "3.1", met=False))
    found.raw["numbers"] = [1.0, 2.0]
    missing = Section("GPU", "About.", skipped="this machine has no CUDA device")
    return Report("python -m benchmarks", MACHINE, "today", [found, missing], [0.1, 0.2])


def test_a_report_says_what_was_measured_and_what_was_not() -> None:
    """Figures stand first with what they were to be; a part that could not run says why."""
    text = report().markdown()
    assert "| a ratio | ≥ 0.90 | 0.95 | met |" in text
    assert "| another | ≤ 2 | 3.1 | short |" in text
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |" in text
    assert "- a note" in text
    assert "Not measured: this machine has no CUDA device" in text
    assert text.index("a ratio") < text.index("## Serving")


def test_a_saved_report_can_be_read_back(tmp_path: Path) -> None:
    """The JSON holds the measurements behind the tables and the machine."""
    report().save(tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["machine"]["cores"] == 2
    assert saved["sections"][0]["raw"] == {"numbers": [1.0, 2.0]}
    assert (tmp_path / "out" / "report.md").read_text() == report().markdown()
