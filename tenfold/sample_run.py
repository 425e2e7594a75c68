"""The first run: sample pictures sent through the service's own HTTP API, and what it found in them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

import tenfold
from tenfold.annotate import annotate
from tenfold.client import ImageResult, Tenfold
from tenfold.client.uploads import PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample picture and what was found."""

    path: Path
    result: ImageResult


def sample_pictures() -> list[Path]:
    """The pictures in `examples/images`, of the working folder or else of the checkout that this code lies in."""
    for root in (Path(), Path(tenfold.__file__).parents[1]):
        folder = root / "examples" / "images"
        if folder.is_dir():
            return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
    return []


def run_samples(client: Tenfold, pictures: list[Path], folder: Path) -> list[Sample]:
    """Send `pictures` as one request, draw what was found into `folder`. Raises ClientError and OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    results = client.detect(pictures, wait_s=300).results or []
    for result in results:
        save_annotated(pictures[result.index], result, folder)
    return [Sample(pictures[result.index], result) for result in results]


def save_annotated(path: Path, result: ImageResult, folder: Path) -> None:
    """Draw `result` on a copy of the picture at `path`, as `folder`/NAME.png; nothing where it has an error."""
    if result.detections is not None:
        annotate(path.read_bytes(), result.detections).save(folder / f"{path.stem}.png")


def describe(result: ImageResult) -> str:
    """What was found, such as `2 circle, 1 star`; or the error."""
    if result.detections is None:
        return result.error.message if result.error else "no result"
    counts = Counter(found.label for found in result.detections)
    return ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"


def sample_table(samples: list[Sample]) -> Table:
    """What was found in each picture, for people."""
    table = Table(title="What was found in the sample pictures", title_justify="left")
    table.add_column("picture")
    table.add_column("pixels", justify="right")
    table.add_column("found", overflow="fold")
    for sample in samples:
        result = sample.result
        pixels = f"{result.width}×{result.height}" if result.width else "?"
        table.add_row(sample.path.name, pixels, describe(result))
    return table
