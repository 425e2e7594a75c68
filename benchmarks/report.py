"""What a run found: tables and figures, as Markdown for people and JSON for whoever compares runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; a cell is text already."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """As a Markdown table."""
        lines = [f"### {self.title}", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(row) for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Figure:
    """A figure with a target (docs/performance.md): ``met`` says whether it is reached, None where nothing is asked."""

    name: str
    target: str
    measured: str
    met: bool | None = None


@dataclass
class Section:
    """What one part of the run found.

    Attributes:
        raw: the measurements behind the tables, as plain values.
        bars: title → label → value, for plots.
        broke: what could not be measured, and why.
    """

    name: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    bars: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: str = ""
    broke: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """As a chapter."""
        parts = [f"## {self.name}", "", self.about, ""]
        if self.skipped:
            parts += [f"Not measured: {self.skipped}", ""]
        parts += [f"Broke: {what}\n" for what in self.broke]
        parts += [table.markdown() for table in self.tables]
        return "\n".join(parts)


@dataclass
class Report:
    """One run."""

    command: str
    machine: Machine
    began: str
    sections: list[Section] = field(default_factory=list)
    busy_cores: list[float] = field(default_factory=list)

    def markdown(self) -> str:
        """The whole report."""
        machine = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
        lines = [
            "# What was measured",
            "",
            f"`{self.command}`, {self.began}",
            "",
            f"- {machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB; {machine.system}; "
            + (machine.gpu or "no GPU"),
            f"- Python {machine.python}; {versions}",
            f"- cores kept busy by others, before each part: {', '.join(f'{busy:.2f}' for busy in self.busy_cores)}",
            "- medians, with (least to greatest) where something was repeated",
            "",
        ]
        figures = [figure for section in self.sections for figure in section.figures]
        if figures:
            rows = [(f.name, f.target, f.measured, _verdict(f.met)) for f in figures]
            lines.append(Table("Figures", ("figure", "target", "measured", ""), rows).markdown())
        return "\n".join(lines + [section.markdown() for section in self.sections])

    def save(self, folder: Path) -> list[Path]:
        """Write ``report.md`` and ``report.json`` and the plots into ``folder``; where they are."""
        from benchmarks.plots import draw

        folder.mkdir(parents=True, exist_ok=True)
        text, data = folder / "report.md", folder / "report.json"
        text.write_text(self.markdown())
        data.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return [text, data, *draw(self.sections, folder)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "short"
