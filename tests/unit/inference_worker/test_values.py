"""Making values, and what becomes of one that cannot be made."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

from inference_worker.job import FUNCTIONS as KNOWN
from inference_worker.values.creating import FUNCTION, FUNCTIONS, attempt, create
from scheduler.values import VALUE_FUNCTION


def test_value_is_a_uuid4_and_the_time_of_its_creation() -> None:
    """A key is a uuid4 of its own, its text the moment of making in ISO 8601, UTC."""
    before = datetime.now(UTC)
    key, text = create()
    assert UUID(key).version == 4
    assert text.endswith("Z")
    assert before - timedelta(milliseconds=1) <= datetime.fromisoformat(text) <= datetime.now(UTC)
    assert create()[0] != key


def test_what_goes_wrong_is_that_values_alone() -> None:
    """An error while a value is made becomes its outcome, with the reason."""

    def broken() -> tuple[str, str]:
        raise OSError("no entropy")

    outcome = attempt(broken)
    assert (outcome.kind, outcome.key, outcome.text) == ("failed", "value_failed", "OSError: no entropy")
    assert attempt(create).kind == "stored"


def test_the_table_knows_the_name_that_the_scheduler_writes() -> None:
    """The scheduler's name for the function is the one in the worker's table, and no other is there."""
    assert set(FUNCTIONS) == {FUNCTION} == {VALUE_FUNCTION}
    assert FUNCTION in KNOWN


def test_values_worker_loads_neither_torch_nor_models() -> None:
    """The values worker starts without torch, numpy or the models."""
    code = "import sys, inference_worker.values.__main__; print({'torch', 'numpy', 'models'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
