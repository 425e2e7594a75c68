"""That each promise has a test which fails when its mechanism is taken out."""

import re
from pathlib import Path

import pytest

from tests.mechanisms.planting import CHECKOUT, Copy
from tests.mechanisms.table import TABLE, Mechanism


@pytest.mark.parametrize("mechanism", TABLE, ids=lambda it: it.name.replace(" ", "-"))
def test_the_table_speaks_of_what_is_there(mechanism: Mechanism) -> None:
    """The text that is taken out stands in its file once, and the test that must notice exists."""
    assert (CHECKOUT / mechanism.file).read_text(encoding="utf-8").count(mechanism.old) == 1
    file, _, name = mechanism.test.rpartition("::")
    assert re.search(rf"^ *(async )?def {name}\b", (CHECKOUT / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the checkout."""
    folder: Path = tmp_path_factory.mktemp("without")
    return Copy.into(folder)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mechanism", TABLE, ids=lambda it: it.name.replace(" ", "-"))
def test_what_is_taken_out_is_noticed(copy: Copy, mechanism: Mechanism) -> None:
    """The test passes with the mechanism, and fails without it."""
    assert copy.run(mechanism.test).passed
    with copy.without(mechanism):
        without = copy.run(mechanism.test)
    assert not without.passed, without.tail
