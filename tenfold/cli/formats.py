"""The forms in which results leave the commands: JSON of our own, and what the service writes for other tools."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from tenfold.cli.joining import Written, join_coco, join_csv
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
    """A job of one command, and its results under the indexes that they have in the whole command.

    Attributes:
        first: the index of the job's first picture in the whole command.
    """

    job_id: str
    results: Sequence[ImageResult]
    first: int = 0


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


def as_json(results: Sequence[ImageResult]) -> bytes:
    """`{"results": [...]}`, indented."""
    return msgspec.json.format(msgspec.json.encode({"results": results}), indent=2) + b"\n"


def write(client: Tenfold, parts: Sequence[Part], form: str, out: Path | None) -> None:
    """Results as a file `results.SUFFIX` in the folder `out`, or on stdout: one, however many jobs it took.

    Only YOLO's labels, whose files are named by the pictures, stay one zip a job: `results-1.yolo.zip` and so on.
    """
    files = _zips(client, parts) if form == "yolo" else {"results": _whole(client, parts, form)}
    if out is None:
        sys.stdout.write("".join(data.decode() for data in files.values()))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (out / f"{name}.{SUFFIXES[form]}").write_bytes(data)


def _whole(client: Tenfold, parts: Sequence[Part], form: str) -> bytes:
    if form in {"json", "ndjson"}:
        results = [result for part in parts for result in part.results]
        return as_json(results) if form == "json" else msgspec.json.Encoder().encode_lines(results)
    written = [Written(part.first, client.results_as(part.job_id, form)) for part in parts]
    if len(written) == 1:
        return written[0].data
    return join_csv(written) if form == "csv" else join_coco(written)


def _zips(client: Tenfold, parts: Sequence[Part]) -> dict[str, bytes]:
    names = ["results"] if len(parts) == 1 else [f"results-{number}" for number in range(1, len(parts) + 1)]
    return {name: client.results_as(part.job_id, "yolo") for name, part in zip(names, parts, strict=True)}
