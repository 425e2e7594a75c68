"""The docs' state diagrams are those of the tables."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_states_is_drawn_from_the_tables() -> None:
    """docs/states.md is what docs/draw_states.py draws today."""
    drawn = runpy.run_path(str(DOCS / "draw_states.py"))["page"]()
    assert (DOCS / "states.md").read_text(encoding="utf-8") == drawn
