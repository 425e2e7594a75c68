"""What is wrong with a data set: gathered over the whole of it, told at once."""

from __future__ import annotations

SHOWN_MAX = 20
"""Faults told one by one; a mistake of an export tool repeats itself in every file."""


class DataError(ValueError):
    """The data set cannot be trained on. The message names place, fault and what would be right."""


class Faults:
    """Gathers faults while reading goes on, so that one run tells the first :data:`SHOWN_MAX` of them and how many."""

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []

    def add(self, place: object, fault: str) -> None:
        """``place`` is a file, ``file:line`` or ``file: annotation id``; ``fault`` says what is wrong and expected."""
        self.count += 1
        if len(self.shown) < SHOWN_MAX:
            self.shown.append(f"{place}: {fault}")

    def told(self) -> str:
        """All of it in lines; empty where nothing is wrong."""
        if not self.count:
            return ""
        head = "1 fault" if self.count == 1 else f"{self.count} faults"
        head += f", of which the first {len(self.shown)} are" if self.count > len(self.shown) else ""
        return "\n  ".join([f"{head}:", *self.shown])

    def raise_any(self) -> None:
        """Raises DataError where something is wrong."""
        if self.count:
            raise DataError(self.told())
