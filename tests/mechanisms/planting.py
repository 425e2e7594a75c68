"""A copy of the checkout in which one mechanism at a time is taken out, and the test that must notice is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mechanisms.table import Mechanism

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 400.0
_FLAGS = ("--import-mode=importlib", "-p", "no:valkey", "--timeout", "180")
# A fault that cannot even be read would be "noticed" by every test.
_NOT_A_FAULT = re.compile(r"SyntaxError|IndentationError|Error compiling script|user_script:\d+: .* expected|NameError")


class WrongTable(Exception):
    """The table speaks of a text or a test that is not there, or of a fault that is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the test ended, with the end of what pytest printed."""

    passed: bool
    tail: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the checkout's files in a folder of its own."""

    root: Path

    @classmethod
    def into(cls, root: Path) -> Copy:
        """Copy what git knows of and what it does not ignore, as it stands now."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (CHECKOUT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, root / name)
        return cls(root)

    @contextmanager
    def without(self, mechanism: Mechanism) -> Iterator[None]:
        """The copy without that mechanism. Raises WrongTable where its text does not stand in the file once."""
        path = self.root / mechanism.file
        whole = path.read_text(encoding="utf-8")
        if whole.count(mechanism.old) != 1:
            raise WrongTable(f"{mechanism.file} has the text of {mechanism.name!r} {whole.count(mechanism.old)} times")
        path.write_text(whole.replace(mechanism.old, mechanism.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(whole, encoding="utf-8")

    def run(self, test: str) -> Verdict:
        """Run one test in the copy. Raises WrongTable where it did not run to a verdict."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "addopts=", *_FLAGS, test],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        tail = done.stdout[-4000:] + done.stderr[-1000:]
        if done.returncode == 0 and " passed" in done.stdout:
            return Verdict(passed=True, tail=tail)
        if done.returncode == 1 and re.search(r"\b1 failed", done.stdout) and not _NOT_A_FAULT.search(done.stdout):
            return Verdict(passed=False, tail=tail)
        raise WrongTable(f"{test} came to no verdict:\n{tail}")
