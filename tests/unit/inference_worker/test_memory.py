"""Freed memory is kept where the C library takes that."""

import subprocess
import sys

import pytest

PROBE = """
import resource, sys
from inference_worker.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(sum(faults() for _ in range(20)))
"""


def _faults(how: str) -> int:
    probe = subprocess.run([sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=False)
    if probe.returncode == 3:
        pytest.skip("this C library is not glibc")
    assert probe.returncode == 0, probe.stderr
    return int(probe.stdout)


def test_a_block_that_comes_again_costs_no_page_faults() -> None:
    """A block of a layer's size is given back and faulted in again by default, and neither once memory is kept."""
    assert _faults("keep") * 10 < _faults("default")
