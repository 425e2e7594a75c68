"""One command a service: what compose runs, and what `tenfold up` starts.

`tenfold.cli.main` runs these before typer is loaded; they stand here so that `tenfold --help` lists them.
"""

from collections.abc import Callable
from typing import Final

import typer

from tenfold import services

_HELP: Final = {
    "gateway": "The HTTP edge: uploads, results, the API's pages.",
    "scheduler": "The feedback queue: gathers images into batches and decides who goes next.",
    "worker": "An inference worker; --levels 0 reserves it for the most urgent.",
    "values-worker": "A values worker: runs the value-generation jobs, without torch.",
}


def add_to(app: typer.Typer) -> None:
    """Add a command for each service."""
    for name in services.MODULES:
        app.command(
            name,
            help=_HELP[name],
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )(_command_of(name))


def _command_of(name: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        services.become(name, context.args)

    return command
