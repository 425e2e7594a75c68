"""What `--help` shows: a way to begin, for every command there is."""

import contextlib
import re
from collections.abc import Iterator

import pytest
import typer
from typer.main import get_command

from tenfold.cli import main
from tenfold.cli.app import app

# Their own parsers read their options; the worker's and the benchmarks' load too much to be asked here.
OWN_OPTIONS = (
    "gateway",
    "scheduler",
    "values-worker",
    "simulate",
    "bench",
    "worker",
    "models inspect",
    "models import",
)


def commands(group: typer.core.TyperGroup, *path: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command that runs something, by its words."""
    for name, inner in group.commands.items():
        if isinstance(inner, typer.core.TyperGroup):
            yield from commands(inner, *path, name)
        else:
            yield " ".join([*path, name]), inner  # type: ignore[misc]  # all are typer's


ALL = dict(commands(get_command(app)))  # type: ignore[arg-type]  # typer's own


@pytest.mark.parametrize("name", sorted(set(ALL) - set(OWN_OPTIONS)))
def test_every_command_shows_examples_that_it_takes(name: str) -> None:
    """Each is one of its own lines, with options that there are."""
    title, *lines = (ALL[name].epilog or "").split("\n\n")
    assert title == "Examples:"
    assert lines
    options = {word for option in ALL[name].params for word in option.opts}
    for line in lines:
        _, called, rest = line.partition(f"tenfold {name}")
        assert called, line
        assert set(re.findall(r"--[a-z-]+", re.split(r"[|>)]", rest)[0])) <= options, line


@pytest.mark.parametrize("name", ["gateway", "scheduler", "values-worker", "simulate"])
def test_services_and_tools_show_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that read their own options say how to begin at the end of their help."""
    with contextlib.suppress(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert f"Examples:\n  tenfold {name}" in shown
