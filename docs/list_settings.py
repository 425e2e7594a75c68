"""Writes the table of settings into docs/operations.md: ``python docs/list_settings.py``."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path

from tenfold.settings import NAMES, Settings, about, kind_of, variable

PAGE = Path(__file__).with_name("operations.md")
BEGIN, END = "<!-- settings: written by `python docs/list_settings.py` -->", "<!-- end of settings -->"


def default(name: str) -> str:
    """A setting's default as a person would type it."""
    value = next(field.default for field in fields(Settings) if field.name == name)
    if value is MISSING:
        return "the system's"
    if name.endswith("_bytes_max"):
        return f"`{_with_unit(value)}`"
    # A path is shown as it stands in the code: written, it would be this machine's.
    text = "" if value is None else str(value) if isinstance(value, Path) else kind_of(name).write(value)
    return f"`{text}`" if text else "none"


def _with_unit(count: int) -> str:
    unit, size = next((u, s) for u, s in (("GiB", 2**30), ("MiB", 2**20), ("", 1)) if count % s == 0)
    return f"{count // size} {unit}".strip()


def table() -> str:
    """All settings, one a row, in the order of the code."""
    rows = [f"| `{variable(name)}` | {default(name)} | {about(name)} |" for name in NAMES]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *rows])


def with_table(page: str) -> str:
    """The page with today's table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
