"""What one worker is told beside the settings that all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenfold.contract.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Choice:
    """One worker's own part.

    Attributes:
        name: what it is called; RQ sees it with a few characters more, so that no two lives of a worker share a name.
        levels: the levels that it serves; None for all.
        threads: threads that the model computes with; None leaves it to the machine.
    """

    name: str = "worker"
    levels: Sequence[int] | None = None
    threads: int | None = None

    def served(self, levels: int) -> list[int]:
        """The levels that it serves, most urgent first, where there are ``levels``.

        Raises:
            SettingsError: it names none, or one that there is not.
        """
        if self.levels is None:
            return list(range(levels))
        wrong = [level for level in self.levels if not 0 <= level < levels]
        if wrong or not self.levels:
            named = ", ".join(map(str, wrong)) or "none"
            raise SettingsError(f"--levels names {named}; allowed are 0 to {levels - 1}, with commas between them")
        return sorted(set(self.levels))
