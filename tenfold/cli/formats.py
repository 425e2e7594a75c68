"""The forms in which results leave the commands: JSON of our own, and what the service writes for other tools."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from tenfold.client import ImageResult, Tenfold

# form → how a file of it ends
SUFFIXES: Final = {"json": "json", "ndjson": "ndjson", "coco": "coco.json", "yolo": "yolo.zip", "csv": "csv"}

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help=f"{', '.join(SUFFIXES)}: the results as data.",
        show_default=False,
        autocompletion=lambda: list(SUFFIXES),
    ),
]


@dataclass(frozen=True, slots=True)
class Part:
    """A job of one command, and its results under the indexes that they have in the whole command."""

    job_id: str
    results: Sequence[ImageResult]


def chosen(form: str | None, *, as_json: bool) -> str | None:
    """The form that was asked for by --format or --json, or None. Exit with status 2 where they contradict."""
    if as_json and form not in {None, "json"}:
        raise typer.BadParameter(f"--json and --format {form} are two forms: give one")
    return "json" if as_json else form


def check(form: str | None, out: Path | None) -> None:
    """Exit with status 2 (usage) for a form that there is not, or one that a terminal cannot take."""
    if form is not None and form not in SUFFIXES:
        raise typer.BadParameter(f"--format is {form}: one of {', '.join(SUFFIXES)} is allowed")
    if form == "yolo" and out is None:
        raise typer.BadParameter("--format yolo is a zip file: --out says where it goes")


def data_of(client: Tenfold, part: Part, form: str) -> bytes:
    """A part's results in `form`; the service writes what is not our own JSON."""
    if form == "json":
        return as_json(part.results)
    if form == "ndjson":
        return msgspec.json.Encoder().encode_lines(part.results)
    return client.results_as(part.job_id, form)


def as_json(results: Sequence[ImageResult]) -> bytes:
    """`{"results": [...]}`, indented."""
    return msgspec.json.format(msgspec.json.encode({"results": results}), indent=2) + b"\n"


def write(client: Tenfold, parts: Sequence[Part], form: str, out: Path | None) -> None:
    """Results as files `results.SUFFIX` in the folder `out`, or on stdout.

    Our own JSON is one document however many jobs it took; the service's files are one a job.
    """
    if form in {"json", "ndjson"}:
        parts = [Part("", [result for part in parts for result in part.results])]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts, 1):
        data = data_of(client, part, form)
        if out is None:
            sys.stdout.write(data.decode())
        else:
            name = "results" if len(parts) == 1 else f"results-{number}"
            (out / f"{name}.{SUFFIXES[form]}").write_bytes(data)
