"""All commands gathered, and one table from errors to exit statuses."""

import sys
from typing import Annotated, Final

import typer

import tenfold
from tenfold.cli import bench, detect, doctor, jobs, service_commands, simulate, system, terminal, top, up, values
from tenfold.client import ApiError, NotReachable, WaitRanOut
from tenfold.contract.errors import SettingsError, TenfoldError

# The first that fits counts.
EXIT_STATUS: Final[tuple[tuple[type[TenfoldError], int], ...]] = (
    (SettingsError, 2),
    (NotReachable, 4),
    (WaitRanOut, 124),
    (TenfoldError, 1),
)

# What a flag asked for and the service does not take is wrong usage, wherever it was found to be.
WRONG_USAGE: Final = frozenset({"invalid_field", "unknown_field", "unknown_model", "unknown_size", "invalid_request"})

app = typer.Typer(
    help="Image inference that stays fair under mixed load.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"tenfold {tenfold.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def _all_commands(version: Version = False) -> None:
    pass


app.command("up", epilog=up.EXAMPLES)(up.up)
app.command("detect", epilog=detect.EXAMPLES)(detect.detect)
app.add_typer(jobs.app, name="jobs")
app.add_typer(values.app, name="values")
app.command("top", epilog=top.EXAMPLES)(top.top)
app.command("queues", epilog=terminal.examples("tenfold queues", "tenfold queues --json"))(system.queues)
app.command("workers", epilog=terminal.examples("tenfold workers", "tenfold workers --json"))(system.workers)
app.add_typer(system.models_app, name="models")
simulate.add_to(app)
bench.add_to(app)
app.command("doctor", epilog=terminal.examples("tenfold doctor", "tenfold doctor --json"))(doctor.doctor)
service_commands.add_to(app)


def _advice(error: TenfoldError) -> str:
    """What a person may do about it that the service cannot know."""
    if isinstance(error, ApiError) and error.code == "unauthorized":
        return "; --api-key or TENFOLD_API_KEY gives one"
    return ""


def run(args: list[str]) -> int:
    """Run a command line and give its exit status; an error of ours is one sentence on stderr, never a traceback."""
    try:
        app(args, prog_name="tenfold")
    except TenfoldError as error:
        print(f"tenfold: {error}{_advice(error)}", file=sys.stderr)
        return exit_status_of(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, not even at exit.
        sys.stdout = None
        return 0
    except OSError as error:
        # A file or folder of the person's own: `error` names it.
        print(f"tenfold: {error}", file=sys.stderr)
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def exit_status_of(error: TenfoldError) -> int:
    """The exit status of a command that `error` ended."""
    if isinstance(error, ApiError) and error.code in WRONG_USAGE:
        return 2
    return next(status for kind, status in EXIT_STATUS if isinstance(error, kind))
