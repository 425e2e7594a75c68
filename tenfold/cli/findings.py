"""What was found, for people: picture by picture while there are few, and by class."""

import contextlib
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from tenfold.cli import terminal
from tenfold.cli.drawing import Drawer
from tenfold.client import ClientError, ImageResult, Tenfold
from tenfold.sample_run import describe

PICTURES_LISTED_MAX = 20
FAILURES_LISTED_MAX = 10
LABELS_LISTED_MAX = 10


def show(results: Sequence[ImageResult], sent: int, took_s: float, drawer: Drawer | None) -> None:
    """The tables and the last lines of a `tenfold detect`."""
    console = terminal.people()
    if len(results) == 1 and results[0].detections:
        console.print(_boxes(results[0]))
    elif len(results) <= PICTURES_LISTED_MAX:
        console.print(_by_picture(results))
    if len(results) > 1 and any(result.detections for result in results):
        console.print(_by_class(results))
    for name, why in _failures(results, drawer):
        console.print(f"{name}: {why}", style="red", markup=False)
    rate = f" ({len(results) / max(took_s, 1e-9):.1f}/s)" if len(results) > 1 else ""
    console.print(f"{terminal.count(len(results), 'picture')} in {took_s:.1f} s{rate}: {_summary(results)}")
    unusable = sum(result.detections is None for result in results)
    if unusable:
        console.print(f"{unusable} could not be used", style="red")
    if sent > len(results):
        console.print(f"{sent - len(results)} have no result", style="red")
    if drawer is not None and drawer.drawn:
        console.print(f"{terminal.count(drawer.drawn, 'annotated picture')} in {drawer.folder}", markup=False)


def tell_what_is_known(client: Tenfold, model: str | None, results: Sequence[ImageResult]) -> None:
    """Where nothing was found in any picture, a line that says what the model looks for."""
    if any(result.detections for result in results) or not any(result.detections is not None for result in results):
        return
    with contextlib.suppress(ClientError):
        asked = [one for one in client.models() if (one.name == model if model else one.default)]
        for one in asked:
            labels = ", ".join(one.labels[:LABELS_LISTED_MAX])
            more = ", …" if len(one.labels) > LABELS_LISTED_MAX else ""
            terminal.note(f"the model {one.name} knows {labels}{more}; `tenfold models list` tells of all models")


def _boxes(result: ImageResult) -> Table:
    rows = [
        (found.label, f"{found.score:.2f}", ", ".join(f"{edge:.0f}" for edge in found.box))
        for found in sorted(result.detections or [], key=lambda found: -found.score)
    ]
    title = f"{result.name}, {result.width}×{result.height}"
    return terminal.table(title, ("found", "score", "left, top, right, bottom"), rows)


def _by_picture(results: Sequence[ImageResult]) -> Table:
    rows = [(result.name, _pixels(result), describe(result)) for result in results]
    return terminal.table("Found", ("picture", "pixels", "found"), rows)


def _by_class(results: Sequence[ImageResult]) -> Table:
    objects: Counter[str] = Counter()
    in_pictures: Counter[str] = Counter()
    surest: dict[str, float] = {}
    for result in results:
        for found in result.detections or ():
            objects[found.label] += 1
            surest[found.label] = max(found.score, surest.get(found.label, 0.0))
        in_pictures.update({found.label for found in result.detections or ()})
    rows = [(label, number, in_pictures[label], f"{surest[label]:.2f}") for label, number in objects.most_common()]
    return terminal.table("By class", ("class", "objects", "pictures", "best score"), rows)


def _failures(results: Sequence[ImageResult], drawer: Drawer | None) -> list[tuple[str, str]]:
    # The table by picture names them already.
    unusable = [(one.name, describe(one)) for one in results if one.error] if len(results) > PICTURES_LISTED_MAX else []
    undrawn = [(name, f"not drawn: {why}") for name, why in drawer.failed] if drawer else []
    listed = [*unusable, *undrawn]
    more = len(listed) - FAILURES_LISTED_MAX
    return [*listed[:FAILURES_LISTED_MAX], *([("…", f"and {more} more")] if more > 0 else [])]


def _summary(results: Sequence[ImageResult]) -> str:
    counts = Counter(found.label for result in results for found in result.detections or ())
    if len(results) > 1 and counts:
        return terminal.count(counts.total(), "object")
    return ", ".join(f"{number} {label}" for label, number in counts.most_common()) or "nothing found"


def _pixels(result: ImageResult) -> str | None:
    return f"{result.width}×{result.height}" if result.width else None
