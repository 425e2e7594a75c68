"""The operations page lists the settings that there are."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    """docs/operations.md holds the table that docs/list_settings.py writes today."""
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(DOCS / "list_settings.py"))["with_table"](page) == page
