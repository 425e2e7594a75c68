"""How jobs and results show themselves: in one line where they are printed, as a table in a notebook."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

ROWS_MAX: Final = 20
_LONG: Final = frozenset({"results", "detections"})


def in_a_line(record: Any) -> str:
    """A record with what was given, its long lists as their lengths: thousands of boxes help nobody at a prompt."""
    shown = []
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is not None and name in _LONG:
            shown.append(f"{name}=<{len(value)}>")
        elif value is not None:
            shown.append(f"{name}={value!r}")
    return f"{type(record).__name__}({', '.join(shown)})"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table of the first rows; everything is text, whatever a file or a label is called."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows[:ROWS_MAX])
    more = len(rows) - ROWS_MAX
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def found(labels: Iterable[str]) -> str:
    """Such as `2 circle, 1 star`."""
    return ", ".join(f"{number} {label}" for label, number in Counter(labels).most_common()) or "nothing"


def _cells(row: Sequence[object]) -> str:
    return "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
