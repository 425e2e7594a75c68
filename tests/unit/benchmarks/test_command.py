import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contenders import PEERS, named

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("flags", [("--parts", "speed"), ("--peers", "nginx")])
def test_an_unknown_name_is_refused_with_those_there_are(flags: tuple[str, str]) -> None:
    """Wrong usage is told before anything is started."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *flags], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "serving" in done.stderr or "litserve" in done.stderr


def test_tenfold_is_always_among_those_measured() -> None:
    """Peers are chosen; Tenfold stands first among them."""
    assert [one.name for one in named(["mosec", "rq"])] == ["tenfold", "mosec", "rq"]


def test_no_server_has_a_fixed_port() -> None:
    """Every command line leaves its port to be filled in, so that nothing that runs already is in the way."""
    for peer in PEERS:
        assert any("{port}" in part for part in peer.command)
        assert not any(re.fullmatch(r"\d{4,5}", part) for part in peer.command)
