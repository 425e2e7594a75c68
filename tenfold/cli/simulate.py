"""`tenfold simulate`: the scheduler on a workload, on a virtual clock and without hardware."""

import importlib.util
from typing import Final

import typer

from tenfold import services
from tenfold.contract.errors import TenfoldError

MODULE: Final = "scheduler.simulate"


class NoSimulator(TenfoldError):
    """This installation cannot simulate."""


def add_to(app: typer.Typer) -> None:
    """Add the command, which reads its own options."""
    app.command(
        "simulate",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )(simulate)


def simulate(context: typer.Context) -> None:
    """The scheduler on a workload, on a virtual clock and without hardware; `--help` has its options."""
    if importlib.util.find_spec(f"{MODULE}.__main__") is None:
        raise NoSimulator(f"this version has no simulator to run ({MODULE})")
    services.run_module(MODULE, "simulate", context.args, "")
