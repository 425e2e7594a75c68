"""The timelines of docs/scheduling.md are those that the simulator draws."""

import runpy
from pathlib import Path

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def test_the_timelines_are_up_to_date() -> None:
    """docs/pictures holds what docs/pictures/draw.py draws today."""
    for name, document in runpy.run_path(str(PICTURES / "draw.py"))["pictures"]().items():
        assert (PICTURES / name).read_text(encoding="utf-8") == document, f"{name}: run python docs/pictures/draw.py"
