"""The services by the names that people type: how each is started, by command line and never by import."""

import runpy
import sys
from collections.abc import Sequence
from typing import Final

# name → the module that runs it, and the extra that brings what it needs
MODULES: Final = {
    "gateway": ("gateway", "gateway"),
    "scheduler": ("scheduler", ""),
    "worker": ("inference_worker", "worker"),
    "values-worker": ("inference_worker.values", ""),
}


def command_line(name: str, *args: str) -> tuple[str, ...]:
    """The command line of a service: `python -m tenfold NAME …`, so that its name stands in it."""
    return (sys.executable, "-m", "tenfold", name, *args)


def become(name: str, args: Sequence[str]) -> None:
    """Run a service in this process, as `python -m MODULE` would; it ends when the service does.

    In this process and not by exec, so that the command line goes on naming the service.
    """
    module, extra = MODULES[name]
    run_module(module, name, args, extra)


def run_module(module: str, name: str, args: Sequence[str], extra: str) -> None:
    """Run ``tenfold NAME ARGS`` by a module that is not imported here; ``extra`` brings the packages that it needs."""
    sys.argv = [f"tenfold {name}", *args]
    try:
        runpy.run_module(module, run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in {own for own, _ in MODULES.values()} | {"tenfold"}:
            raise  # a part of Tenfold itself: no extra would bring it
        needs = f"; pip install 'tenfold[{extra}]'" if extra else ""
        raise SystemExit(f"tenfold: {name} needs the module {error.name}, which is not installed{needs}") from error
