"""``python -m tests.mechanisms [WORD…]``: take mechanisms out, one at a time, and see their tests fail.

With words, only mechanisms whose name or promise has one of them. Exit status 1 where one went missing unnoticed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mechanisms.planting import Copy, WrongTable
from tests.mechanisms.table import TABLE, Mechanism


def verdict(copy: Copy, mechanism: Mechanism) -> str:
    """``noticed``, or what is wrong."""
    try:
        if not copy.run(mechanism.test).passed:
            return "its test fails with the mechanism in place"
        with copy.without(mechanism):
            return "UNNOTICED" if copy.run(mechanism.test).passed else "noticed"
    except WrongTable as error:
        return str(error)


def main(words: list[str]) -> int:
    """Try them and print a line each."""
    chosen = [it for it in TABLE if not words or any(word in f"{it.name} {it.promise}" for word in words)]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="tfwithout") as folder:
        copy = Copy.into(Path(folder))
        for mechanism in chosen:
            said = verdict(copy, mechanism)
            wrong += said != "noticed"
            print(
                f"| {mechanism.promise} | {mechanism.name} | `{mechanism.test.rpartition('::')[2]}` | {said} |",
                flush=True,
            )
    print(f"{len(chosen) - wrong} of {len(chosen)} noticed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
