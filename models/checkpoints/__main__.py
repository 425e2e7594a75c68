"""``python -m models.checkpoints inspect|import FILE``: what ``tenfold models inspect`` and ``import`` run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.checkpoints.serving import SUFFIX, write_import
from models.inspection import inspect
from models.weights.errors import WeightsError

LABELS_SHOWN = 12


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line: 0 done, 1 the file does not serve, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        report = _import(arguments) if arguments.command == "import" else inspect(arguments.file)
    except (WeightsError, ValueError) as error:
        print(f"tenfold: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report) if arguments.json else "\n".join(_lines(report)))
    return 0


def _import(arguments: argparse.Namespace) -> dict[str, Any]:
    source: Path = arguments.file
    if source.suffix != SUFFIX:
        raise WeightsError(f"{source}: only {SUFFIX} checkpoints are imported")
    out: Path = arguments.out or source.with_suffix(".safetensors")
    if out.exists() and not arguments.force:
        raise WeightsError(f"{out}: is there already; --force overwrites it")
    write_import(source, out, arguments.sizes or ())
    return {"written": str(out), **inspect(out), "serve_with": f"tenfold up --model {out}"}


def _lines(report: dict[str, Any]) -> list[str]:
    width = max(map(len, report))
    return [f"{name.replace('_', ' '):<{width}}  {_shown(value)}" for name, value in report.items()]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        more = len(value) - LABELS_SHOWN
        return ", ".join(map(str, value[:LABELS_SHOWN])) + (f" and {more} more" if more > 0 else "")
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: whole numbers with commas between them") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tenfold models", description="Look into weights, or import a checkpoint.")
    commands = parser.add_subparsers(dest="command", required=True)
    look = commands.add_parser(
        "inspect",
        help="what a weights file holds; nothing of it is run",
        epilog="Example: tenfold models inspect best.pt",
    )
    take = commands.add_parser(
        "import",
        help="turn a .pt checkpoint into a .safetensors file",
        epilog="Example: tenfold models import best.pt",
    )
    for command in (look, take):
        command.add_argument("file", type=Path)
        command.add_argument("--json", action="store_true", help="plain JSON")
    take.add_argument("--out", type=Path, help="the file to write; default: beside the checkpoint")
    take.add_argument("--sizes", type=_sizes, metavar="640,320", help="input sizes to serve, the default first")
    take.add_argument("--force", action="store_true", help="overwrite what is there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
