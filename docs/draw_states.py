"""Draws docs/states.md from the tables in tenfold.contract.states: ``python docs/draw_states.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tenfold.contract.states import ITEM_TRANSITIONS, JOB_TRANSITIONS

PAGE = Path(__file__).with_name("states.md")
INTRODUCTION = """\
Drawn from the tables in `tenfold/contract/states.py` by `python docs/draw_states.py`; a test fails where this page is
older than the tables. A move that is not drawn raises `IllegalTransition` and changes nothing."""


def diagram(table: Mapping[str, Mapping[str, str]]) -> str:
    """A Mermaid state diagram of a transition table; states without moves are ends."""
    first = next(iter(table))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, moves in table.items():
        lines += [f"    {state} --> {target}: {event}" for event, target in moves.items()]
        if not moves:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def page() -> str:
    """The whole page."""
    return (
        "\n\n".join(
            [
                "# States",
                INTRODUCTION,
                "## A job",
                diagram(JOB_TRANSITIONS),
                "## An image of a job",
                diagram(ITEM_TRANSITIONS),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
