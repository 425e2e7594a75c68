"""`tenfold bench`: Tenfold measured beside its peers, by the checkout's own `benchmarks`."""

import subprocess
import sys
from pathlib import Path

import typer

from tenfold.contract.errors import TenfoldError


class NoBenchmarks(TenfoldError):
    """There is no checkout here: an installed package carries no benchmarks."""


def add_to(app: typer.Typer) -> None:
    """Add the command, whose options are the benchmarks' own."""
    app.command(
        "bench",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )(bench)


def bench(context: typer.Context) -> None:
    """Measure this machine: Tenfold beside the plain loop and other servers; `--help` has its options."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise NoBenchmarks("the benchmarks are part of a checkout of Tenfold, not of the installed package")
    raise typer.Exit(subprocess.call([sys.executable, "-m", "benchmarks", *context.args], cwd=root))
